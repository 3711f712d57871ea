"""predict.py MODEL INPUTS LOGITS [SIZE...]: what a saved model says, asked as a user would.

INPUTS and LOGITS are float32 without a header. SIZE... is the shape of all inputs, that of 28x28
images unless given.
"""

import array
import sys

import torch

model = torch.jit.load(sys.argv[1])
model.eval()
with open(sys.argv[2], "rb") as file:
    inputs = torch.frombuffer(bytearray(file.read()), dtype=torch.float32)
with torch.no_grad():
    sizes = [int(size) for size in sys.argv[4:]] or [-1, 1, 28, 28]
    logits = model(inputs.reshape(sizes))
with open(sys.argv[3], "wb") as file:
    array.array("f", logits.flatten().tolist()).tofile(file)
