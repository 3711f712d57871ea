// Keeps the rules of the house: the tables below say which folder may include which and which words
// may stand where. First each check must find a planted violation, then the tree must have none.
#include "tests/support/tidy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace tests {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

// schema <- runtime <- actors <- apps; inside runtime base <- {net, group} <- {actor, collective},
// and sim beside net, which may see all of runtime. What decides (averaging) sees neither the wire
// nor the training.
const std::vector<Layer>& Layers() {
  static const auto* const layers = new std::vector<Layer>{
      {"schema/", {"schema/", "capnp/"}},
      {"runtime/base/", {"runtime/base/"}},
      {"runtime/net/", {"schema/", "runtime/base/", "runtime/net/"}},
      {"runtime/group/", {"schema/", "runtime/base/", "runtime/group/"}},
      {"runtime/actor/",
       {"schema/", "runtime/base/", "runtime/net/", "runtime/group/", "runtime/actor/"}},
      {"runtime/collective/",
       {"schema/", "runtime/base/", "runtime/net/", "runtime/group/", "runtime/collective/"}},
      {"runtime/sim/", {"schema/", "runtime/"}},
      {"actors/", {"schema/", "runtime/", "actors/"}},
      {"actors/averaging/", {"runtime/base/", "actors/averaging/"}},
      {"actors/training/", {"runtime/base/", "actors/training/"}},
      {"apps/", {"schema/", "runtime/", "actors/", "apps/"}},
      {"tests/", {"schema/", "runtime/", "actors/", "apps/", "tests/", "capnp/"}},
  };
  return *layers;
}

const std::vector<Rule>& ForeignHeaders() {
  static const auto* const rules = new std::vector<Rule>{
      {{"torch/", "ATen/", "c10/"},
       {"actors/training/", "tests/"},
       "only actors/training sees torch; the rest speaks through trainer.h"},
      {{"zmq.h", "zmq_addon.h"},
       {"runtime/net/", "runtime/collective/zmq_ring", "runtime/collective/zmq_transfer", "tests/"},
       "sockets stand behind runtime/net/transport.h"},
      {{"capnp/", "kj/"},
       {"schema/", "runtime/net/", "runtime/actor/", "runtime/group/", "runtime/collective/",
        "runtime/sim/", "actors/messages", "tests/"},
       "above the runtime, messages are plain structs; actors/messages turns them into bytes"},
      {{"mutex", "shared_mutex", "condition_variable"},
       {"runtime/base/mutex.h", "tests/"},
       "use runtime/base/mutex.h, whose locks clang checks"},
      {{"CLI/"}, {"apps/", "tests/bench/"}, "only apps parse flags"},
      {{"format", "source_location", "ranges", "coroutine"},
       {},
       "one of the two compilers lacks it, or miscompiles it"},
  };
  return *rules;
}

const std::vector<Rule>& Words() {
  static const auto* const rules = new std::vector<Rule>{
      {{"throw"}, {}, "return an absl::Status, or REQUIRE"},
      // The edges at which what others throw becomes a Status.
      {{"catch"},
       {"actors/messages",                       // kj
        "actors/run_json.h",                     // nlohmann
        "actors/training/",                      // c10
        "apps/",                                 // CLI11, toml++, std
        "runtime/actor/guard.cc",                // an actor's own handlers
        "runtime/base/log.cc",                   // spdlog
        "runtime/collective/sealed_message.cc",  // kj
        "runtime/net/",                          // zmq, kj
        "tests/"},
       "exceptions are caught where a foreign library is called, and nowhere else"},
      {{"sleep_for", "sleep_until", "usleep", "nanosleep", "sleep"},
       {},
       "wait for what you mean, with a deadline"},
      {{"std::mutex", "std::shared_mutex", "std::lock_guard", "std::unique_lock",
        "std::scoped_lock", "std::condition_variable", "absl::Mutex"},
       {"runtime/base/mutex.h"},
       "use runtime/base/mutex.h, whose locks clang checks"},
      {{"Mutex", "MutexLock"},
       {"actors/training/quadratic_trainer.cc", "apps/", "runtime/actor/", "runtime/base/",
        "runtime/collective/zmq_ring.", "runtime/collective/zmq_transfer", "runtime/net/",
        "tests/"},
       "one thread owns each object; move values between threads"},
      {{"assert"}, {}, "use REQUIRE, which release builds keep"},
      {{"using namespace"}, {"apps/examples/", "tests/bench/"}, "name what is used"},
      {{"std::views", "std::ranges::views", "std::source_location"},
       {},
       "clang 14 cannot compile it with this standard library"},
      {{"std::random_device", "rand", "srand"},
       {},
       "randomness is passed in, so that a seed replays a run"},
      {{"GTEST_SKIP"},
       {"tests/support/root_network.h", "tests/support/test_data.h"},
       "a test that may not run is no test; see NEEDS_DATA and NEEDS_ROOT_NETWORK"},
  };
  return *rules;
}

TEST(Tidy, BlanksCommentsAndLiteralsAndNothingElse) {
  const SourceFile file = MakeSourceFile("a.cc",
                                         "int a = 1'000;  // throw\n"
                                         "char b = '\\'', c = '\"'; /* throw\n"
                                         "throw */ int d;\n"
                                         "auto e = \"throw \\\" throw\"; int f;\n"
                                         "auto g = R\"x(throw\n"
                                         ")\" throw)x\"; int h;\n");
  EXPECT_THAT(file.code, ElementsAre("int a = 1'000;          ",          //
                                     "char b = '  ', c = ' ';         ",  //
                                     "         int d;",                   //
                                     "auto e = \"              \"; int f;",
                                     "auto g = R\"       ",  //
                                     "           ; int h;"));
}

TEST(Tidy, FindsAnIncludeThatRunsUpwards) {
  const SourceFile file = MakeSourceFile(
      "runtime/net/a.cc",
      "#include \"runtime/net/a.h\"\n// #include \"apps/b.h\"\n#include \"actors/c.h\"\n");
  EXPECT_THAT(CheckLayers(file, Layers()), ElementsAre(StartsWith("runtime/net/a.cc:3: ")));
}

TEST(Tidy, FindsAnIncludeBetweenSiblings) {
  EXPECT_THAT(CheckLayers(MakeSourceFile("runtime/group/a.h", "#include \"runtime/net/frame.h\"\n"),
                          Layers()),
              SizeIs(1));
  EXPECT_THAT(CheckLayers(MakeSourceFile("runtime/sim/a.h", "#include \"runtime/net/frame.h\"\n"),
                          Layers()),
              IsEmpty());
}

TEST(Tidy, TakesTheNarrowestFolderOfAFile) {
  const std::string text = "#include \"runtime/net/frame.h\"\n";
  EXPECT_THAT(CheckLayers(MakeSourceFile("actors/averaging/a.cc", text), Layers()), SizeIs(1));
  EXPECT_THAT(CheckLayers(MakeSourceFile("actors/worker.cc", text), Layers()), IsEmpty());
}

TEST(Tidy, FindsAnIncludeThatDoesNotStartAtTheRoot) {
  EXPECT_THAT(CheckLayers(MakeSourceFile("actors/a.cc", "#include \"worker.h\"\n"), Layers()),
              SizeIs(1));
}

TEST(Tidy, FindsAProductThatIncludesTests) {
  const std::string text = "#include \"tests/support/status_matchers.h\"\n";
  EXPECT_THAT(CheckLayers(MakeSourceFile("apps/a.cc", text), Layers()), SizeIs(1));
  EXPECT_THAT(CheckLayers(MakeSourceFile("tests/a.cc", text), Layers()), IsEmpty());
}

TEST(Tidy, FindsASchemaThatImportsFromElsewhere) {
  const auto findings = [](const std::string& text) {
    return CheckLayers(MakeSourceFile("schema/a.capnp", text), Layers());
  };
  EXPECT_THAT(findings("using Cxx = import \"/capnp/c++.capnp\";\n"), IsEmpty());
  EXPECT_THAT(findings("# not: import \"/actors/b.capnp\"\n"), IsEmpty());
  EXPECT_THAT(findings("using B = import \"/actors/b.capnp\";\n"), SizeIs(1));
}

TEST(Tidy, FindsAFileInNoKnownFolder) {
  EXPECT_THAT(CheckLayers(MakeSourceFile("lib/a.cc", ""), Layers()), SizeIs(1));
}

TEST(Tidy, FindsAForeignHeaderOutOfItsPlace) {
  const std::string text = "#include <torch/torch.h>\n#include <zmq.hpp>\n";
  EXPECT_THAT(CheckForeignIncludes(MakeSourceFile("actors/averaging/a.cc", text), ForeignHeaders()),
              ElementsAre(HasSubstr(":1: torch/torch.h"), HasSubstr(":2: zmq.hpp")));
  EXPECT_THAT(CheckForeignIncludes(MakeSourceFile("tests/a.cc", text), ForeignHeaders()),
              IsEmpty());
}

TEST(Tidy, FindsAWordOutOfItsPlaceAndOnlyAsAWord) {
  const auto findings = [](const std::string& path, const std::string& text) {
    return CheckWords(MakeSourceFile(path, text), Words());
  };
  EXPECT_THAT(findings("runtime/group/a.cc", "if (x) throw 1;\n"), SizeIs(1));
  EXPECT_THAT(findings("runtime/group/a.cc", "int overthrow;  // never throw\n"), IsEmpty());
  EXPECT_THAT(findings("actors/a.cc", "} catch (const E& e) {\n"), SizeIs(1));
  EXPECT_THAT(findings("runtime/net/a.cc", "} catch (const E& e) {\n"), IsEmpty());
  EXPECT_THAT(findings("tests/a.cc", "std::this_thread::sleep_for(x);\n"), SizeIs(1));
  EXPECT_THAT(findings("actors/a.h", "std::mutex lock_;\nMutex mutex_;\n"), SizeIs(2));
  EXPECT_THAT(findings("actors/a.h", "static_assert(true);\n"), IsEmpty());
  EXPECT_THAT(findings("tests/a.cc", "GTEST_SKIP() << 1;\n"), SizeIs(1));
}

TEST(Tidy, CountsColumnsInCodePoints) {
  const std::string fits(kMaxColumns, 'x');
  std::string greek;
  for (size_t i = 0; i < kMaxColumns; ++i) greek += "θ";
  EXPECT_THAT(CheckLengths(MakeSourceFile("a.cc", fits + "\n" + greek + "\n")), IsEmpty());
  EXPECT_THAT(CheckLengths(MakeSourceFile("a.cc", "\n" + fits + "x\n")),
              ElementsAre(StartsWith("a.cc:2: ")));
}

TEST(Tidy, FindsAFileThatIsTooLong) {
  const std::string lines(kMaxFileLines, '\n');
  EXPECT_THAT(CheckLengths(MakeSourceFile("a.cc", lines)), IsEmpty());
  EXPECT_THAT(CheckLengths(MakeSourceFile("a.cc", lines + "\n")), SizeIs(1));
}

TEST(Tidy, FindsAFunctionThatIsTooLongWhereverItStands) {
  const std::string fits(kMaxFunctionLines - 1, '\n');
  for (const std::string head :
       {"void F() ", "TEST(A, B) ", "class C {\n public:\n  int F(int a = {}) const ",
        "C::C(int a) : a_{a}, b_(2) ", "const auto kF = [](int a) "}) {
    const std::string opened = "namespace n {\n#define M(x) { \\\n  (\n" + head + "{";
    EXPECT_THAT(CheckFunctionLengths(MakeSourceFile("a.cc", opened + fits + "}\n")), IsEmpty())
        << head;
    EXPECT_THAT(CheckFunctionLengths(MakeSourceFile("a.cc", opened + fits + "\n}\n")), SizeIs(1))
        << head;
  }
}

TEST(Tidy, MeasuresNoTypeNamespaceOrTable) {
  const std::string lines(kMaxFunctionLines + 1, '\n');
  for (const std::string head : {"namespace n {", "struct alignas(8) S {", "enum class E {",
                                 "const std::vector<int> kTable = {", "#if defined(A) {\n{"}) {
    EXPECT_THAT(CheckFunctionLengths(MakeSourceFile("a.cc", head + lines + "};\n")), IsEmpty())
        << head;
  }
}

TEST(Tidy, FindsAGuardThatIsNotThePath) {
  const std::string text =
      "#ifndef RONDO_APPS_RONDO_WORKER_A_H_\n#define RONDO_APPS_RONDO_WORKER_A_H_\n"
      "#endif  // RONDO_APPS_RONDO_WORKER_A_H_\n";
  EXPECT_THAT(CheckHeaderGuard(MakeSourceFile("apps/rondo-worker/a.h", text)), IsEmpty());
  EXPECT_THAT(CheckHeaderGuard(MakeSourceFile("apps/rondo/a.h", text)), SizeIs(3));
}

TEST(Tidy, FindsALoopOverAPartOfATemporary) {
  const auto findings = [](const std::string& text) {
    return CheckLoops(MakeSourceFile("a.cc", text + "\n"));
  };
  EXPECT_THAT(findings("for (const json& x : f()[\"a\"][\"b\"]) {"), SizeIs(1));
  EXPECT_THAT(findings("for (const json& x : a[\"b\"]) f()[\"c\"];"), IsEmpty());
  EXPECT_THAT(findings("for (int i = 0; i < f()[a ? 1 : 2]; ++i) {"), IsEmpty());
  EXPECT_THAT(findings("for (const json& x : f()) {"), IsEmpty());
}

TEST(Tidy, FindsANoteWithoutItsIssue) {
  const std::string note = std::string("// TO") + "DO";
  EXPECT_THAT(CheckNotes(MakeSourceFile("a.cc", note + "(#12): x\n")), IsEmpty());
  EXPECT_THAT(CheckNotes(MakeSourceFile("a.cc", note + ": x\n" + note + "(me): x\n")), SizeIs(2));
}

TEST(Tidy, FindsASourceThatNobodyBuilds) {
  const std::vector<SourceFile> files = {MakeSourceFile("runtime/a.cc", ""),
                                         MakeSourceFile("runtime/a.h", ""),
                                         MakeSourceFile("tests/a_test.cc", "")};
  EXPECT_THAT(CheckRegistered(files, "add(runtime/a.cc)\nadd(x tests/a_test.cc)\n"), IsEmpty());
  EXPECT_THAT(CheckRegistered(files, "add(runtime/a.cc)\n# tests/a_test.cc\n"),
              ElementsAre(StartsWith("tests/a_test.cc:1: ")));
}

TEST(Tidy, TheTreeKeepsEveryRule) {
  const std::string root = RONDO_SOURCE_DIR;
  const std::vector<SourceFile> files = ReadTree(root);
  ASSERT_THAT(files, Not(IsEmpty())) << root;
  Findings findings = CheckRegistered(files, ReadText(root + "/CMakeLists.txt"));
  for (const SourceFile& file : files) {
    for (const Findings& found :
         {CheckLayers(file, Layers()), CheckForeignIncludes(file, ForeignHeaders()),
          CheckWords(file, Words()), CheckLengths(file), CheckFunctionLengths(file),
          CheckHeaderGuard(file), CheckLoops(file), CheckNotes(file)}) {
      findings.insert(findings.end(), found.begin(), found.end());
    }
  }
  for (const std::string& finding : findings) ADD_FAILURE() << finding;
}

}  // namespace
}  // namespace tests
