#include "actors/kubelet/pod/making.hpp"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "actors/kubelet/pod/events.hpp"
#include "actors/kubelet/pod/probe.hpp"
#include "net/host/real.hpp"
#include "actors/kubelet/volumes/writer.hpp"
#include "tests/actors/kubelet/pod/parts.hpp"

using namespace troupe;
using namespace troupe::kubelet;
using namespace troupe::kubelet::parts;

namespace {
pod_sources sources() {
  pod_sources out;
  out.node = "n1";
  out.node_addresses = {"192.0.2.1"};
  out.pod_addresses = {"10.42.0.5"};
  out.node_cpu_milli = 4000;
  out.config_maps["map"] = {{"kind", "ConfigMap"}, {"data", {{"key", "value"}, {"other", "text"}}}};
  out.secrets["hidden"] = {{"kind", "Secret"}, {"type", "Opaque"}, {"data", {{"word", "c2VzYW1l"}}}};
  out.services = {{{"metadata", {{"name", "kubernetes"}, {"namespace", "default"}}}, {"spec", {{"clusterIP", "10.43.0.1"}, {"ports", json::array({{{"name", "https"}, {"port", 443}, {"protocol", "TCP"}}})}}}}};
  return out;
}
std::string value(const variables& of, const std::string& name) {
  for (const auto& [key, text] : of)
    if (key == name) return text;
  return "(none)";
}
result<variables> environment(const std::string& container) {
  const auto pod = make_pod(R"({"serviceAccountName":"robot","containers":[]})");
  return environment_of(*pod, *parse_json(container), sources());
}
}  // namespace

TEST_CASE("variables come from services, maps, secrets, fields and each other") {
  const auto got = environment(R"x({"envFrom":[{"configMapRef":{"name":"map"},"prefix":"M_"}],"env":[
    {"name":"A","value":"1"},{"name":"B","value":"$(A)-$(M_key)-$$(A)-$(NOBODY)"},{"name":"W","valueFrom":{"secretKeyRef":{"name":"hidden","key":"word"}}},
    {"name":"N","valueFrom":{"fieldRef":{"fieldPath":"spec.nodeName"}}},{"name":"S","valueFrom":{"fieldRef":{"fieldPath":"spec.serviceAccountName"}}},
    {"name":"C","valueFrom":{"resourceFieldRef":{"resource":"limits.cpu","divisor":"1m"}}},
    {"name":"O","valueFrom":{"configMapKeyRef":{"name":"absent","key":"x","optional":true}}},{"name":"K","value":"$(KUBERNETES_SERVICE_HOST)"}]})x");
  REQUIRE(got.ok());
  CHECK(value(*got, "B") == "1-value-$(A)-$(NOBODY)");
  CHECK(value(*got, "W") == "sesame");
  CHECK(value(*got, "N") == "n1");
  CHECK(value(*got, "S") == "robot");
  CHECK(value(*got, "C") == "4000");
  CHECK(value(*got, "O") == "(none)");
  CHECK(value(*got, "K") == "10.43.0.1");
  CHECK(value(*got, "KUBERNETES_SERVICE_PORT_HTTPS") == "443");
  CHECK(value(*got, "KUBERNETES_PORT_443_TCP_ADDR") == "10.43.0.1");
}

TEST_CASE("a variable whose source is missing is refused in one sentence") {
  CHECK(environment(R"({"env":[{"name":"A","valueFrom":{"configMapKeyRef":{"name":"absent","key":"x"}}}]})").why().note == "configmap \"absent\" not found");
  CHECK(environment(R"({"env":[{"name":"A","valueFrom":{"secretKeyRef":{"name":"hidden","key":"x"}}}]})").why().note == "couldn't find key x in Secret ns/hidden");
  CHECK(environment(R"({"envFrom":[{"secretRef":{"name":"absent"}}]})").why().note == "secret \"absent\" not found");
  CHECK(environment(R"({"env":[{"name":"A","valueFrom":{"fieldRef":{"fieldPath":"spec.secrets"}}}]})").code() == errc::invalid);
}

TEST_CASE("a pod's name servers are the cluster's, unless it says otherwise") {
  node_setup on;
  on.cluster_dns = {"10.43.0.10"};
  on.own_dns = read_resolv_conf("# mine\nsearch home.example .\nnameserver 9.9.9.9\noptions timeout:2\n");
  CHECK(on.own_dns.servers == std::vector<std::string>{"9.9.9.9"});
  const auto dns = [&](const char* spec) { return *make_sandbox_config(read_pod(make_pod(spec)), 0, on).dns; };
  CHECK(dns("{}").servers == std::vector<std::string>{"10.43.0.10"});
  CHECK(dns("{}").searches == std::vector<std::string>{"ns.svc.cluster.local", "svc.cluster.local", "cluster.local", "home.example"});
  CHECK(dns("{}").options == std::vector<std::string>{"ndots:5"});
  CHECK(dns(R"({"dnsPolicy":"Default"})").servers == std::vector<std::string>{"9.9.9.9"});
  CHECK(dns(R"({"hostNetwork":true})").servers == std::vector<std::string>{"9.9.9.9"});
  CHECK(dns(R"({"hostNetwork":true,"dnsPolicy":"ClusterFirstWithHostNet"})").servers == std::vector<std::string>{"10.43.0.10"});
  CHECK(dns(R"({"dnsPolicy":"None","dnsConfig":{"nameservers":["1.1.1.1"],"options":[{"name":"ndots","value":"2"}]}})").options == std::vector<std::string>{"ndots:2"});
  const auto called = [&](const char* spec) { return make_sandbox_config(read_pod(make_pod(spec)), 0, on).hostname; };
  CHECK(called(R"({"hostNetwork":true})").empty());   // runc refuses another
  CHECK(called(R"({"hostname":"a","subdomain":"b"})") == "a");
  CHECK(called(R"({"hostname":"a","subdomain":"b","setHostnameAsFQDN":true})") == "a.b.ns.svc.cluster.local");
}

TEST_CASE("requests and limits become shares, a quota, a limit and an oom score") {
  const auto of = [](const char* resources) {
    const auto pod = make_pod(std::string(R"({"containers":[{"name":"m","resources":)") + resources + "}]}");
    return resources_of(*pod, (*pod)["spec"]["containers"][0], 1000ll << 20);
  };
  CHECK(of("{}").cpu_shares == 2);
  CHECK(of("{}").oom_score_adj == 1000);
  CHECK(of(R"({"limits":{"cpu":"500m","memory":"64Mi"}})").cpu_quota == 50000);
  CHECK(of(R"({"limits":{"cpu":"500m","memory":"64Mi"}})").cpu_shares == 512);
  CHECK(of(R"({"limits":{"cpu":"500m","memory":"64Mi"}})").memory_bytes_max == 64 << 20);
  CHECK(of(R"({"limits":{"cpu":"500m","memory":"64Mi"}})").oom_score_adj == -997);
  CHECK(of(R"({"requests":{"memory":"500Mi"}})").oom_score_adj == 500);
}

TEST_CASE("a container that must not be root is refused when it would be") {
  const auto make = [](const char* context, const net::cri::image& image) {
    const auto pod = read_pod(make_pod(std::string(R"({"containers":[{"name":"m","image":"i","securityContext":)") + context + "}]}"));
    return make_container_config(pod, pod.containers[0], 0, image, sources(), {}, {});
  };
  net::cri::image plain, numbered;
  numbered.user = 1000;
  CHECK(make(R"({"runAsNonRoot":true})", plain).why().note == "container has runAsNonRoot and image will run as root");
  CHECK(make(R"({"runAsNonRoot":true,"runAsUser":0})", plain).why().note == "container's runAsUser breaks non-root policy");
  CHECK(make(R"({"runAsNonRoot":true})", numbered).ok());
  CHECK(make(R"({"runAsNonRoot":true,"runAsUser":5})", plain)->with.user == 5);
  CHECK(make(R"({"allowPrivilegeEscalation":false})", plain)->with.no_new_privileges);
  CHECK(make(R"({"privileged":true})", plain)->with.masked_paths.empty());
}

TEST_CASE("a volume mount that leads out of its volume is refused") {
  const auto make = [](const char* mount) {
    const auto pod = read_pod(make_pod(std::string(R"({"containers":[{"name":"m","image":"i","volumeMounts":[)") + mount + "]}]}"));
    volume_plan v;
    v.name = "v", v.path = "/here";
    return make_container_config(pod, pod.containers[0], 0, {}, sources(), {v}, {});
  };
  CHECK(make(R"({"name":"v","mountPath":"/a","subPath":"b"})")->mounts[0].host_path == "/here/b");
  for (const char* out : {"..", "../x", "a/../../x"}) CHECK(!make((std::string(R"({"name":"v","mountPath":"/a","subPath":")") + out + "\"}").c_str()).ok());
  CHECK(make(R"({"name":"w","mountPath":"/a"})").code() == errc::invalid);
}

TEST_CASE("volumes become files, and what is missing is named") {
  const auto plan = [](const char* volume) { return plan_volumes(*make_pod(std::string(R"({"volumes":[)") + volume + "]}"), "/pods/u1", sources()); };
  const auto map = plan(R"({"name":"v","configMap":{"name":"map","items":[{"key":"key","path":"deep/file","mode":256}]}})");
  REQUIRE(map.ok());
  CHECK(map->front().files == std::vector<volume_file>{{"deep/file", "value", 0400}});
  CHECK(plan(R"({"name":"v","secret":{"secretName":"hidden"}})")->front().files == std::vector<volume_file>{{"word", "sesame", 0644}});
  CHECK(plan(R"({"name":"v","emptyDir":{}})")->front().path == "/pods/u1/volumes/kubernetes.io~empty-dir/v");
  CHECK(plan(R"({"name":"v","configMap":{"name":"absent"}})").why().note == "MountVolume.SetUp failed for volume \"v\" : configmap \"absent\" not found");
  CHECK(plan(R"({"name":"v","configMap":{"name":"absent","optional":true}})").ok());
  CHECK(plan(R"({"name":"v","configMap":{"name":"map","items":[{"key":"nobody","path":"x"}]}})").why().note == "MountVolume.SetUp failed for volume \"v\" : references non-existent config key: nobody");
  CHECK(!plan(R"({"name":"v","configMap":{"name":"map","items":[{"key":"key","path":"../../x"}]}})").ok());
  CHECK(plan(R"({"name":"v","nfs":{"server":"x"}})").code() == errc::invalid);
  const auto own = plan(R"({"name":"v","downwardAPI":{"items":[{"path":"who","fieldRef":{"fieldPath":"metadata.name"}}]}})");
  CHECK(own->front().files == std::vector<volume_file>{{"who", "p", 0644}});
}

TEST_CASE("files of a volume change all at once, and old ones go") {
  const auto real = net::real::make_files();
  auto& disk = *real;
  char home[] = "/tmp/troupe-volumes-XXXXXX";
  REQUIRE(mkdtemp(home) != nullptr);
  const std::string at = std::string(home) + "/v";
  volume_plan v;
  v.what = volume_plan::kind::files;
  v.path = at;
  v.files = {{"a", "one", 0644}, {"b", "two", 0644}};
  REQUIRE(write_volumes(disk, {v}).ok());
  CHECK(*disk.read(at + "/a") == "one");
  v.files = {{"a", "three", 0644}};
  REQUIRE(write_volumes(disk, {v}).ok());
  CHECK(*disk.read(at + "/a") == "three");
  CHECK(disk.read(at + "/..data/a").ok());
  std::size_t versions = 0;
  for (const auto& one : disk.list(at).value_or({})) versions += one.name.starts_with("..v");
  CHECK(versions == 1);
  CHECK(!disk.exists(at + "/b"));
  volume_plan open;
  open.path = std::string(home) + "/open";
  REQUIRE(write_volumes(disk, {open}).ok());
  struct stat seen {};
  REQUIRE(stat(open.path.c_str(), &seen) == 0);
  CHECK((seen.st_mode & 0777) == 0777);   // whoever the containers run as
  CHECK(disk.remove_tree(home).ok());
}

TEST_CASE("probes count their answers in a row") {
  probe_wish how;
  how.failures_allowed = 2;
  how.successes_needed = 2;
  how.initial_delay = 5s;
  probing p(probe_kind::readiness, how, noon);
  CHECK(p.due() == noon + 5s);
  p.begin(noon + 5s);
  CHECK(p.asking());
  CHECK(!p.settle(true, noon + 5s));
  CHECK(p.due() == noon + 15s);
  CHECK(p.settle(true, noon + 15s));
  CHECK(p.verdict() == true);
  CHECK(!p.settle(false, noon + 25s));
  CHECK(!p.settle(true, noon + 35s));   // the row is broken
  CHECK(!p.settle(false, noon + 45s));
  CHECK(p.settle(false, noon + 55s));
  CHECK(p.verdict() == false);
}

TEST_CASE("a token is asked for anew after four fifths of its life, a day at most, and not by everybody at once") {
  const token_need need{"v", "token", "", 3607};
  auto granted = [](const char* to) {
    return json{{"metadata", {{"creationTimestamp", "2020-01-01T00:00:00Z"}}}, {"status", {{"token", "t"}, {"expirationTimestamp", to}}}};   // of a server whose clock is another
  };
  token_shelf shelf;
  CHECK(shelf.good(noon).empty());
  shelf.keep(need, granted("2020-01-01T01:00:00Z"), 0, noon);
  CHECK(shelf.good(noon + 47min) == std::map<token_need, std::string>{{need, "t"}});
  CHECK(shelf.good(noon + 48min).empty());
  CHECK(shelf.good(noon - 1s).empty());
  shelf.keep(need, granted("2020-01-01T01:00:00Z"), 15, noon);   // another pod's chance
  CHECK(shelf.good(noon + 42min).size() == 1);
  CHECK(shelf.good(noon + 43min).empty());
  shelf.keep(need, granted("2021-01-01T00:00:00Z"), 0, noon);
  CHECK(shelf.good(noon + 23h).size() == 1);
  CHECK(shelf.good(noon + 24h).empty());
  shelf.keep(need, json::object(), 0, noon);   // a server that does not say
  CHECK(shelf.good(noon + 48min).size() == 1);
  CHECK(shelf.good(noon + 49min).empty());
}

TEST_CASE("an event is counted instead of repeated, and there are not too many") {
  event_book book(*make_pod(R"({"containers":[{"name":"m"}]})"), "n1");
  const auto first = book.note(true, "BackOff", "again", "m", noon);
  REQUIRE(first);
  CHECK(first->method == "POST");
  CHECK(first->body["involvedObject"]["fieldPath"] == "spec.containers{m}");
  const auto second = book.note(true, "BackOff", "again", "m", noon + 1s);
  REQUIRE(second);
  CHECK(second->method == "PATCH");
  CHECK(second->body["count"] == 2);
  CHECK(second->path.ends_with(text_or(first->body["metadata"]["name"])));
  int said = 2;
  for (int i = 0; i < 100; ++i) said += book.note(false, "R" + std::to_string(i), "m", "", noon + 2s).has_value();
  CHECK(said == event_book::burst);
  CHECK(book.note(false, "late", "m", "", noon + 6min));
}

TEST_CASE("an event that is counted tells the whole of itself, for when it has expired") {
  event_book book(*make_pod(R"({"containers":[{"name":"m"}]})"), "n1");
  const auto first = book.note(true, "BackOff", "again", "m", noon);
  const auto later = book.note(true, "BackOff", "again", "m", noon + 2h);
  REQUIRE((first && later));
  CHECK(first->anew.is_null());
  auto expected = first->body;
  expected["count"] = 2;
  expected["lastTimestamp"] = later->body["lastTimestamp"];
  CHECK(later->anew == expected);
}

TEST_CASE("what is told of the node is found by its name, where describe looks for it") {
  auto book = event_book::of_node("n1");
  const auto said = book.note(false, "NodeReady", "Node n1 status is now: NodeReady", "", noon);
  REQUIRE(said);
  CHECK(said->path == "/api/v1/namespaces/default/events");
  CHECK(said->body["involvedObject"] == json{{"kind", "Node"}, {"apiVersion", "v1"}, {"name", "n1"}, {"uid", "n1"}});
  CHECK(said->body["source"] == json{{"component", "kubelet"}, {"host", "n1"}});
}

TEST_CASE("a failure that repeats does not silence what comes after it, and is counted all the while") {
  event_book book(*make_pod(R"({"containers":[{"name":"m"}]})"), "n1");
  for (int i = 0; i < 60; ++i) book.note(true, "Failed", "no", "m", noon + 1s);
  CHECK_FALSE(book.note(true, "Failed", "no", "m", noon + 2s));
  CHECK(book.note(false, "Created", "Created container: m", "m", noon + 3s));
  CHECK(book.note(false, "Started", "Started container m", "m", noon + 3s));
  const auto later = book.note(true, "Failed", "no", "m", noon + 16min);   // two were spent on news: so many have to come back
  REQUIRE(later);
  CHECK(later->body["count"] == 62);
}
