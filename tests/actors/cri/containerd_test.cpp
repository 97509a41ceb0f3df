#include "actors/cri/containerd.hpp"

#include <doctest/doctest.h>

#include "net/sim/network.hpp"

using namespace troupe;
using namespace troupe::cri;

TEST_CASE("containerd's configuration holds what containers need here") {
  auto config = make_containerd_config("/data/agent", "/run/troupe");
  auto text = containerd_file(config);
  CHECK(text.find("root = \"/data/agent/containerd\"") != std::string::npos);
  CHECK(text.find("address = \"/run/troupe/containerd/containerd.sock\"") != std::string::npos);
  CHECK(text.find("sandbox_image = \"localhost/troupe-pause:1\"") != std::string::npos);
  CHECK(text.find("restrict_oom_score_adj = true") != std::string::npos);
  CHECK(text.find("SystemdCgroup = false") != std::string::npos);
  CHECK(text.find("conf_dir = \"/data/agent/etc/cni/net.d\"") != std::string::npos);
  config.may_raise_oom = true;
  config.root = "/odd\"place";
  text = containerd_file(config);
  CHECK(text.find("restrict_oom_score_adj = false") != std::string::npos);
  CHECK(text.find("root = \"/odd\\\"place\"") != std::string::npos);
}

TEST_CASE("archives are imported with ours first, and nothing else that lies there") {
  agenda plan;
  const auto net = net::sim::make_network(plan, rng(1), {});
  auto& disk = net->add("n1", {"10.0.0.1"}).disk();
  const auto config = make_containerd_config("/a", "/r");
  for (const char* name : {"zeta.tar.gz", "alpha.tar", "notes.txt", "troupe-pause.tar"}) REQUIRE(disk.write(std::string("/a/images/") + name, "x", 0600).ok());
  CHECK(archives_in(disk, config) == std::vector<std::string>{"/a/images/troupe-pause.tar", "/a/images/alpha.tar", "/a/images/zeta.tar.gz"});
  CHECK(import_order(config, "/a/images/alpha.tar").arguments.back() == "/a/images/alpha.tar");
}
