#include "actors/front/front.hpp"
#include "tests/harness/stage.hpp"

using namespace troupe;
using namespace troupe::front;

namespace {
using requests = std::vector<request_arrived>;
}

TEST_CASE("the longest prefix that ends at a slash or at the path's end has the request") {
  testing::stage on;
  const auto handler = [&] { return testing::make_listener<handler_actor, request_arrived>(on, std::make_shared<requests>()); };
  const auto root = handler(), supervisor = handler(), ping = handler();
  prefix_table table;
  CHECK(table.find("/anything") == nullptr);
  table.add("/v1-k3s", supervisor);
  CHECK(table.find("/api") == nullptr);
  table.add("/", root);
  table.add("/v1-k3s/ping", ping);
  const auto has = [&](std::string_view path, const handler_actor& who) {
    const auto* found = table.find(path);
    return found && *found == who;
  };
  CHECK(has("/", root));
  CHECK(has("/api/v1/nodes", root));
  CHECK(has("/v1-k3s", supervisor));
  CHECK(has("/v1-k3s/", supervisor));
  CHECK(has("/v1-k3s/config", supervisor));
  CHECK(has("/v1-k3s-other", root));
  CHECK(has("/v1-k3sx", root));
  CHECK(has("/v1-k3s/ping", ping));
  CHECK(has("/v1-k3s/ping/x", ping));
  CHECK(has("/v1-k3s/pingpong", supervisor));
  CHECK(table.find("") == nullptr);
  CHECK(table.find("v1-k3s") == nullptr);
}
