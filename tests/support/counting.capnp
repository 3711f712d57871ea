@0x9f3b6c1d2e8a4705;
# The messages of tests/support/counting.h.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("schema");

struct Count {
  # test -> counter.
  amount @0 :UInt64;
}

struct Read {
  # test -> counter, a question.
}

struct Total {
  # counter -> test: answers Read.
  value @0 :UInt64;
  life @1 :UInt64;
}

struct Break {
  # test -> counter: fail, in one of several ways.
  how @0 :UInt16;
}

struct Ignore {
  # test -> counter, a question that is never answered.
}

struct Blob {
  # test -> counter, in the data lane.
  bytes @0 :Data;
}

struct Unknown {
  # test -> counter, who does not accept it.
}
