// Static pods on the runtime's twin, with and without a server.
#include "tests/harness/little_node.hpp"

using namespace troupe;
using testing::little_node;

namespace {

std::string manifest(const std::string& more = {}) {
  return "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  terminationGracePeriodSeconds: 1\n  containers:\n  - name: main\n    image: app\n" + more;
}
struct with_files : little_node {
  explicit with_files(bool server = true) {
    if (server) store->others["/api/v1/nodes/n1"] = {{"metadata", {{"uid", "node-uid"}}}};
    else store->lost = 100;
  }
  void write(const std::string& text) { REQUIRE(disk->write("/manifests/web.yaml", text, 0600).ok()); }
  std::size_t containers() const {
    std::size_t n = 0;
    for (const auto& [id, c] : machine.containers()) n += c.state == net::cri::container_state::running;
    return n;
  }
  std::string container() const {
    for (const auto& [id, c] : machine.containers())
      if (c.state == net::cri::container_state::running) return id;
    return {};
  }
  json mirror() { return store->pods().contains("default/web-n1") ? store->of("default/web-n1") : json(); }
  bool mirror_ready() { return dig(mirror(), "status", "phase") == "Running"; }
};

}  // namespace

TEST_CASE("a file becomes a pod, which the API shows as its mirror") {
  with_files n;
  n.write(manifest());
  REQUIRE(n.until([&] { return n.mirror_ready(); }));
  CHECK(n.mirror()["metadata"]["ownerReferences"][0]["uid"] == "node-uid");
  CHECK(n.containers() == 1);
}

TEST_CASE("a static pod runs where no server answers") {
  with_files n(false);
  n.write(manifest());
  REQUIRE(n.until([&] { return n.containers() == 1; }));
  n.store->lost = 0;
  n.store->others["/api/v1/nodes/n1"] = {{"metadata", {{"uid", "node-uid"}}}};
  REQUIRE(n.until([&] { return n.mirror_ready(); }));
}

TEST_CASE("a changed file is another pod, which begins when the former has ended") {
  with_files n;
  n.write(manifest());
  REQUIRE(n.until([&] { return n.mirror_ready(); }));
  const auto before = n.container(), hash = text_or(n.mirror()["metadata"]["annotations"]["kubernetes.io/config.mirror"]);
  n.write(manifest("    command: [other]\n"));
  REQUIRE(n.until([&] {
    REQUIRE(n.containers() <= 1);
    return n.mirror_ready() && n.container() != before && !n.container().empty() && n.mirror()["metadata"]["annotations"]["kubernetes.io/config.mirror"] != hash;
  }));
}

TEST_CASE("when the file goes the pod ends, and its mirror goes after it") {
  with_files n;
  n.write(manifest());
  REQUIRE(n.until([&] { return n.mirror_ready(); }));
  REQUIRE(n.disk->remove("/manifests/web.yaml").ok());
  REQUIRE(n.until([&] { return n.mirror().is_null(); }));
  CHECK(n.containers() == 0);
  CHECK(n.machine.sandboxes().empty());
}

TEST_CASE("half a file ends nothing, and its mend is followed") {
  with_files n;
  n.write(manifest());
  REQUIRE(n.until([&] { return n.mirror_ready(); }));
  const auto before = n.container();
  n.write("apiVersion: v1\nkind: [");
  n.on.run.run_for(20s);
  CHECK(n.container() == before);
  n.write(manifest("    command: [other]\n"));
  REQUIRE(n.until([&] { return n.containers() == 1 && n.container() != before; }));
}

TEST_CASE("who deletes a mirror gets another, and the container stays") {
  with_files n;
  n.write(manifest());
  REQUIRE(n.until([&] { return n.mirror_ready(); }));
  const auto before = n.container(), uid = text_or(n.mirror()["metadata"]["uid"]);
  n.store->remove("default/web-n1");
  REQUIRE(n.until([&] { return n.mirror_ready() && n.mirror()["metadata"]["uid"] != uid; }));
  CHECK(n.container() == before);
}
