@0x9c4be27a1d63f085;
# What a newcomer and a member say to one another, so that the newcomer's optimizer need not begin
# anew. By way of the head, which passes it on.

using Cxx = import "/capnp/c++.capnp";
using import "/schema/training.capnp".Hash;
$Cxx.namespace("schema");

struct LendMoments {
  # newcomer -> member: let me fetch what your optimizer remembers, as you train on. Answer: Loan,
  # or a failure.

  run @0 :UInt64;
}

struct Loan {
  # member -> newcomer, the answer to LendMoments: a copy, at a boundary of its steps, which its
  # transfer endpoint hands out for some seconds.

  root @0 :Hash;
  floats @1 :UInt64;
  # Its length.
}
