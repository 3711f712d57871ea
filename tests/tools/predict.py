"""predict.py MODEL IMAGES LOGITS: what a saved model says of 28x28 images, asked as a user would.

IMAGES and LOGITS are float32 without a header; 784 and 10 of them an image.
"""

import array
import sys

import torch

model = torch.jit.load(sys.argv[1])
model.eval()
with open(sys.argv[2], "rb") as file:
    images = torch.frombuffer(bytearray(file.read()), dtype=torch.float32)
with torch.no_grad():
    logits = model(images.reshape(-1, 1, 28, 28))
with open(sys.argv[3], "wb") as file:
    array.array("f", logits.flatten().tolist()).tofile(file)
