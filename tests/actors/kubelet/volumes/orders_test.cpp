#include "actors/kubelet/volumes/orders.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::kubelet;

namespace {
json pod(const std::string& volume, bool group = true) {
  json out = *parse_json(R"({"metadata":{"name":"p","namespace":"ns","uid":"u"},"spec":{"volumes":[]}})");
  out["spec"]["volumes"].push_back(*parse_json(volume));
  if (group) out["spec"]["securityContext"]["fsGroup"] = 2000;
  return out;
}
std::vector<volume_plan> planned(const json& of, const std::string& value = "1") {
  pod_sources from;
  from.config_maps["m"] = {{"kind", "ConfigMap"}, {"data", {{"k", value}}}};
  auto got = plan_volumes(of, "/pods/u", from);
  REQUIRE(got.ok());
  return *got;
}
std::string words(const std::vector<command>& all) {
  std::string out;
  for (const auto& one : all) {
    for (const auto& word : one) out += word + " ";
    out += "\n";
  }
  return out;
}
}  // namespace

TEST_CASE("an emptyDir in memory is mounted once, as large as it may be") {
  const auto of = pod(R"({"name":"v","emptyDir":{"medium":"Memory","sizeLimit":"1Mi"}})", false);
  const auto all = planned(of);
  CHECK(words(volume_orders(all, {}, of, "")) == "mount -t tmpfs -o size=1048576,mode=0777,nosuid,nodev tmpfs /pods/u/volumes/kubernetes.io~empty-dir/v \n");
  const std::string mounts = "30 1 0:30 / /pods/u/volumes/kubernetes.io~empty-dir/v rw - tmpfs tmpfs rw\n31 1 0:31 / /pods/u2/x rw - tmpfs tmpfs rw\n32 1 0:3 / /pods/u/a\\040b rw - tmpfs t rw\n";
  CHECK(volume_orders(all, {}, of, mounts).empty());
  CHECK(mounts_below(mounts, "/pods/u") == std::vector<std::string>{"/pods/u/volumes/kubernetes.io~empty-dir/v", "/pods/u/a b"});
}

TEST_CASE("with an fsGroup volumes belong to it: emptyDirs once, files whenever they change, the node's own never") {
  const auto empty = pod(R"({"name":"v","emptyDir":{}})");
  const auto now = planned(empty);
  CHECK(words(volume_orders(now, {}, empty, "")).starts_with("chgrp -R -h 2000 /pods/u/volumes/kubernetes.io~empty-dir/v \nchmod -R g+rwX "));
  CHECK(volume_orders(now, now, empty, "").empty());
  const auto map = pod(R"({"name":"v","configMap":{"name":"m"}})");
  CHECK(words(volume_orders(planned(map, "2"), planned(map, "1"), map, "")).find("chmod -R g+rX ") != std::string::npos);
  CHECK(volume_orders(planned(map), planned(map), map, "").empty());
  const auto host = pod(R"({"name":"v","hostPath":{"path":"/etc"}})");
  CHECK(volume_orders(planned(host), {}, host, "").empty());
}

TEST_CASE("a medium that there is not is refused") {
  const auto got = plan_volumes(pod(R"({"name":"v","emptyDir":{"medium":"HugePages"}})"), "/p", {});
  REQUIRE(!got.ok());
  CHECK(got.why().note == "MountVolume.SetUp failed for volume \"v\" : this version of troupe has no huge pages");
}
