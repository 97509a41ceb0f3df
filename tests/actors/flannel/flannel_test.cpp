#include "actors/flannel/flannel.hpp"
#include "actors/flannel/settle.hpp"
#include "net/sim/node/links.hpp"
#include "net/sim/network.hpp"
#include "tests/harness/stage.hpp"

using namespace troupe;
using namespace troupe::flannel;

namespace {
json node(const std::string& name, const std::string& cidr, const std::string& address = "", const std::string& mac = "", const std::string& type = "vxlan") {
  json out{{"metadata", {{"name", name}, {"resourceVersion", "1"}}}, {"spec", json::object()}};
  if (!cidr.empty()) out["spec"]["podCIDR"] = cidr;
  if (!address.empty())
    out["metadata"]["annotations"] = {{"flannel.alpha.coreos.com/backend-type", type}, {"flannel.alpha.coreos.com/public-ip", address}, {"flannel.alpha.coreos.com/kube-subnet-manager", "true"},
                                      {"flannel.alpha.coreos.com/backend-data", mac.empty() ? "null" : "{\"VNI\":1,\"VtepMAC\":\"" + mac + "\"}"}};
  return out;
}
const std::string far_mac = "02:00:00:00:00:02";
std::map<std::string, peer> two(const std::string& type = "vxlan") {
  return {{"n1", peer_of(node("n1", "10.42.1.0/24"))}, {"n2", peer_of(node("n2", "10.42.2.0/24", "172.30.0.12", type == "vxlan" ? far_mac : "", type))}};
}
net::sim::links_twin machine() {
  net::sim::links_twin out;
  out.all["lo"] = {"lo", "", 65536, true, false, 0, 0, "", ""};
  out.all["eth0"] = {"eth0", "02:aa:aa:aa:aa:aa", 1500, true, false, 0, 0, "", ""};
  out.address_of["eth0"] = {"172.30.0.11/24"};
  return out;
}
const place here{backend::vxlan, "n1", "172.30.0.11", ""};
}  // namespace

TEST_CASE("backends have flannel's names") {
  CHECK(parse_backend("vxlan") == backend::vxlan);
  CHECK(parse_backend("host-gw") == backend::host_gw);
  CHECK(parse_backend("none") == backend::none);
  CHECK(!parse_backend("wireguard-native"));
  CHECK(!parse_backend(""));
}

TEST_CASE("a node is read by its annotations as flannel writes them, and nonsense is no peer") {
  const auto got = peer_of(node("n2", "10.42.2.0/24", "172.30.0.12", far_mac));
  CHECK(got.address == "172.30.0.12");
  CHECK(got.mac == far_mac);
  CHECK(is_usable(got, backend::vxlan));
  CHECK(!is_usable(got, backend::host_gw));
  CHECK(!is_usable(peer_of(node("n2", "10.42.2.0/24")), backend::vxlan));
  CHECK(!is_usable(peer_of(node("n2", "", "172.30.0.12", far_mac)), backend::vxlan));
  CHECK(!is_usable(peer_of(node("n2", "10.42.2.0/33", "172.30.0.12", far_mac)), backend::vxlan));
  CHECK(!is_usable(peer_of(node("n2", "10.42.2.0/24", "172.30.0", far_mac)), backend::vxlan));
  CHECK(!is_usable(peer_of(node("n2", "10.42.2.0/24", "172.30.0.12", "02:00:00:00:00")), backend::vxlan));
  CHECK(is_usable(peer_of(node("n2", "10.42.2.0/24", "172.30.0.12", "", "host-gw")), backend::host_gw));
  auto foreign = node("n2", "10.42.2.0/24", "172.30.0.12", far_mac);
  foreign["metadata"]["annotations"].erase("flannel.alpha.coreos.com/kube-subnet-manager");
  CHECK(!is_usable(peer_of(foreign), backend::vxlan));
  CHECK(peer_of(*parse_json("{\"metadata\":{\"annotations\":[1]},\"spec\":7}")).pod_cidr.empty());
}

TEST_CASE("a node says of itself what flannel says, once") {
  const auto patch = annotations_patch(node("n1", "10.42.1.0/24"), backend::vxlan, "172.30.0.11", "02:00:00:00:00:01");
  CHECK(patch["metadata"]["annotations"] == json{{"flannel.alpha.coreos.com/backend-type", "vxlan"}, {"flannel.alpha.coreos.com/public-ip", "172.30.0.11"},
                                                  {"flannel.alpha.coreos.com/kube-subnet-manager", "true"},
                                                  {"flannel.alpha.coreos.com/backend-data", "{\"VNI\":1,\"VtepMAC\":\"02:00:00:00:00:01\"}"}});
  auto told = node("n1", "10.42.1.0/24");
  told.merge_patch(patch);
  CHECK(annotations_patch(told, backend::vxlan, "172.30.0.11", "02:00:00:00:00:01").is_null());
  CHECK(!annotations_patch(told, backend::host_gw, "172.30.0.11", "").is_null());
}

TEST_CASE("every node has a MAC of its own, that is a local one") {
  std::set<std::string> seen;
  for (int i = 0; i < 2000; ++i) seen.insert(mac_for("node-" + std::to_string(i)));
  CHECK(seen.size() == 2000);
  CHECK(mac_for("n1") == mac_for("n1"));
  CHECK(mac_for("n1").starts_with("02:"));
}

TEST_CASE("vxlan leads to a peer by its end of the overlay, host-gw by its node") {
  const auto by_vxlan = wanted(backend::vxlan, "n1", two(), "flannel.1");
  CHECK(by_vxlan.routes == std::set<net::route>{{"10.42.2.0/24", "10.42.2.0", "flannel.1", true}});
  CHECK(by_vxlan.neighbours == std::set<net::neighbour>{{"10.42.2.0", far_mac, "flannel.1"}});
  CHECK(by_vxlan.forwardings == std::set<net::forwarding>{{far_mac, "172.30.0.12", "flannel.1"}});
  const auto by_host = wanted(backend::host_gw, "n1", two("host-gw"), "eth0");
  CHECK(by_host.routes == std::set<net::route>{{"10.42.2.0/24", "172.30.0.12", "eth0", false}});
  CHECK(by_host.neighbours.empty());
  CHECK(wanted(backend::none, "n1", two(), "eth0").routes.empty());
}

TEST_CASE("the overlay is made, and what is right already is not touched") {
  auto links = machine();
  const auto mtu = settle(links, here, two());
  REQUIRE(mtu.ok());
  CHECK(*mtu == 1450);
  const auto& made = links.all.at("flannel.1");
  CHECK(made.up);
  CHECK(made.local == "172.30.0.11");
  CHECK(made.parent == "eth0");
  CHECK(links.address_of["flannel.1"] == std::set<std::string>{"10.42.1.0/32"});
  CHECK(links.route_to.at("10.42.2.0/24").via == "10.42.2.0");
  CHECK(links.switches["net/ipv4/ip_forward"] == "1");
  const auto before = links.changes;
  REQUIRE(settle(links, here, two()).ok());
  CHECK(links.changes == before);
}

TEST_CASE("a peer that changes or goes is followed, and foreign entries of ours are cleaned up") {
  auto links = machine();
  REQUIRE(settle(links, here, two()).ok());
  auto peers = two();
  peers["n2"].address = "172.30.0.99";
  peers["n2"].mac = "02:00:00:00:00:99";
  REQUIRE(settle(links, here, peers).ok());
  CHECK(links.forwarding_of.size() == 1);
  CHECK(links.forwarding_of.begin()->second.to == "172.30.0.99");
  CHECK(links.neighbour_at.begin()->second.mac == "02:00:00:00:00:99");
  peers.erase("n2");
  REQUIRE(settle(links, here, peers).ok());
  CHECK(links.route_to.empty());
  CHECK(links.neighbour_at.empty());
  CHECK(links.forwarding_of.empty());
}

TEST_CASE("an overlay of another kind is made anew, and host-gw has none") {
  auto links = machine();
  links.all["flannel.1"] = {"flannel.1", "02:00:00:00:00:07", 1450, true, true, 7, 8472, "172.30.0.11", "eth0"};
  REQUIRE(settle(links, here, two()).ok());
  CHECK(links.all.at("flannel.1").vni == 1);
  const auto mtu = settle(links, {backend::host_gw, "n1", "172.30.0.11", ""}, two("host-gw"));
  REQUIRE(mtu.ok());
  CHECK(*mtu == 1500);
  CHECK(!links.all.contains("flannel.1"));
  CHECK(links.route_to.at("10.42.2.0/24").via == "172.30.0.12");
}

TEST_CASE("whatever call fails, another attempt settles it") {
  for (int skip = 0; skip < 8; ++skip) {
    auto links = machine();
    for (int i = 0; i < skip; ++i) (void)settle(links, here, two());
    links.refusals = 1 + skip;
    bool settled = false;
    for (int tries = 0; tries < 20 && !settled; ++tries) settled = settle(links, here, two()).ok();
    CHECK(settled);
    CHECK(links.route_to.size() == 1);
  }
  auto bare = machine();
  bare.address_of.clear();
  CHECK(settle(bare, here, two()).why().note == "no interface has the node's address 172.30.0.11");
  CHECK(settle(bare, {backend::vxlan, "n1", "172.30.0.11", "eth0"}, two()).ok());
}

TEST_CASE("the runtime is told of its bridge and network") {
  const auto got = *parse_json(conflist("10.42.1.0/24", 1450, "/data/cni"));
  CHECK(got["plugins"][0]["bridge"] == "cni0");
  CHECK(got["plugins"][0]["mtu"] == 1450);
  CHECK(got["plugins"][0]["ipam"]["ranges"][0][0]["subnet"] == "10.42.1.0/24");
  CHECK(got["plugins"][0]["ipam"]["dataDir"] == "/data/cni");
  CHECK(got["plugins"][1]["type"] == "portmap");
}

TEST_CASE("a node waits for its network, settles, says what it is and writes the runtime's configuration") {
  testing::stage on;
  auto net = net::sim::make_network(on.run.plan(), rng(1), *parse_rfc3339("2026-11-22T07:00:00Z"));
  auto& box = net->add("n1", {"172.30.0.11"});
  auto links = machine();
  on.world.links = &links;
  on.world.files = &box.disk();
  auto script = std::make_shared<testing::api_script>();
  json present = node("n1", "");
  std::vector<json> patches;
  script->on_call = [&](const client::api_call& ask) -> testing::api_script::reply {
    if (ask.method == "PATCH") return patches.push_back(*parse_json(ask.body)), client::api_answer{200, "{}"};
    return client::api_answer{200, to_text({{"metadata", {{"resourceVersion", "1"}}}, {"items", json::array({present, node("n2", "10.42.2.0/24", "172.30.0.12", far_mac)})}})};
  };
  on.show(make_flannel(on.world, {backend::vxlan, "n1", "172.30.0.11", "", "/d/10-flannel.conflist", "/d/cni"}, testing::make_fake_api(on, script)));
  on.run.run_for(5s);
  CHECK(links.changes == 0);
  CHECK(patches.empty());
  present = node("n1", "10.42.1.0/24");
  present["kind"] = "Node";
  script->tell("MODIFIED", present);
  on.run.run_for(1s);
  CHECK(links.route_to.contains("10.42.2.0/24"));
  REQUIRE(patches.size() == 1);
  CHECK(text_or(patches[0]["metadata"]["annotations"]["flannel.alpha.coreos.com/public-ip"]) == "172.30.0.11");
  CHECK(box.disk().read("/d/10-flannel.conflist").ok());
  // Somebody's hand is undone.
  links.route_to.clear();
  on.run.run_for(31s);
  CHECK(links.route_to.contains("10.42.2.0/24"));
}
