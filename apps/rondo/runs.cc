// `rondo runs`: the runs that a head knows.
#include "apps/rondo/client.h"
#include "apps/rondo/head_registry.h"
#include "apps/rondo/runs_text.h"
#include "apps/rondo/verbs.h"
#include "runtime/base/status.h"

namespace apps {
namespace {

constexpr runtime::Duration kAnswerTimeout = std::chrono::seconds(5);

}  // namespace

absl::StatusOr<int> Runs(const RunsOptions& options, Output& output) {
  ASSIGN_OR_RETURN(const std::string head, ChooseHead(options.head));
  ASSIGN_OR_RETURN(const std::unique_ptr<Client> client,
                   Client::Connect({.address = head, .name = "rondo runs"}));
  ASSIGN_OR_RETURN(const actors::RunsReply reply,
                   client->Ask(actors::RunsRequest{}, kAnswerTimeout));
  ASSIGN_OR_RETURN(const Json runs, ReadRuns(reply.json));
  output.Data("runs", reply.json);
  output.Text(RenderRuns(runs, head));
  return 0;
}

}  // namespace apps
