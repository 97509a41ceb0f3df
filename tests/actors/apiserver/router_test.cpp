#include "actors/apiserver/router.hpp"

#include "tests/actors/apiserver/support.hpp"

using namespace troupe;
using namespace troupe::apiserver;
using namespace troupe::apiserver::testing;

namespace {
/// "verb plural namespace/name/subresource" or the code of the error.
std::string told(std::string_view method, std::string_view url) {
  auto mark = url.find('?');
  auto query = mark == std::string_view::npos ? std::string_view() : url.substr(mark + 1);
  auto out = route(method, url.substr(0, mark), query);
  if (auto* why = std::get_if<api_error>(&out)) return std::to_string(why->code);
  const auto& to = std::get<target>(out);
  if (!to.kind) return "path " + to.path;
  std::string text(to_string(to.what));
  text.append(" ").append(to.kind->qualified()).append(" ").append(to.ns).append("/").append(to.name);
  if (to.sub) text.append("/").append(to.subresource);
  return text.append(to.rest);
}

const target asked(std::string_view method, std::string_view path, std::string_view query) {
  auto out = route(method, path, query);
  if (auto* why = std::get_if<api_error>(&out)) FAIL(why->message);
  return std::get<target>(out);
}
}  // namespace

TEST_CASE("what recorded clients asked for is routed to what they meant") {
  struct row { const char *method, *url, *meant; } rows[] = {
      {"GET", "/api/v1/nodes?limit=500", "list nodes /"},
      {"GET", "/api/v1/pods?resourceVersion=0", "list pods /"},
      {"GET", "/api/v1/namespaces/default/pods/p1", "get pods default/p1"},
      {"GET", "/api/v1/namespaces/default/pods?timeoutSeconds=1&watch=True", "watch pods default/"},
      {"GET", "/api/v1/namespaces/default/pods?continue=eyJ&limit=1", "list pods default/"},
      {"GET", "/api/v1/namespaces/default/pods?includeObject=Object", "list pods default/"},
      {"GET", "/api/v1/namespaces/default/pods/p1/exec?command=ls&stderr=True&stdin=False", "get pods default/p1/exec"},
      {"POST", "/api/v1/namespaces/default/pods/r1/attach?container=r1", "create pods default/r1/attach"},
      {"GET", "/api/v1/namespaces/default/pods/p1/log?container=c&follow=true&pretty=true", "get pods default/p1/log"},
      {"POST", "/api/v1/namespaces/default/pods/p2/eviction", "create pods default/p2/eviction"},
      {"POST", "/api/v1/namespaces/default/serviceaccounts/default/token", "create serviceaccounts default/default/token"},
      {"PATCH", "/api/v1/nodes/n1/status", "patch nodes /n1/status"},
      {"PATCH", "/api/v1/nodes/n1?fieldManager=kubectl-taint&fieldValidation=Strict", "patch nodes /n1"},
      {"POST", "/api/v1/namespaces?fieldManager=kubectl-create&fieldValidation=Strict", "create namespaces /"},
      {"GET", "/api/v1/namespaces/foo", "get namespaces /foo"},
      {"PUT", "/api/v1/namespaces/foo/finalize", "update namespaces /foo/finalize"},
      {"GET", "/api/v1/namespaces/foo/status", "get namespaces /foo/status"},
      {"DELETE", "/api/v1/namespaces/default/configmaps?labelSelector=x%3Dy", "deletecollection configmaps default/"},
      {"DELETE", "/api/v1/namespaces/default/configmaps/pycm?gracePeriodSeconds=0&propagationPolicy=Foreground",
       "delete configmaps default/pycm"},
      {"GET", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1",
       "get leases.coordination.k8s.io kube-node-lease/n1"},
      {"GET", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3Dweb",
       "list endpointslices.discovery.k8s.io default/"},
      {"GET", "/apis/events.k8s.io/v1/events", "list events.events.k8s.io /"},
      {"GET", "/version/", "path /version"}, {"GET", "/apis/", "path /apis"}, {"GET", "/api/v1", "path /api/v1"},
      {"GET", "/apis/apps/v1", "path /apis/apps/v1"}, {"GET", "/", "path /"},
      {"GET", "/livez/etcd?verbose", "path /livez/etcd"}, {"GET", "/openapi/v3/apis/apps/v1?hash=H", "path /openapi/v3/apis/apps/v1"},
      {"GET", "/api/v1/namespaces/default/pods/", "list pods default/"},
      {"GET", "/api/v1/watch/namespaces/default/pods/p1", "watch pods default/"},
      {"GET", "/api/v1/watch/nodes", "watch nodes /"},
      {"GET", "/api/v1/nodes/https:n1:10250/proxy/containerLogs/a%2Fb/c", "get nodes /https:n1:10250/proxy/containerLogs/a%2Fb/c"},
      {"POST", "/api/v1/nodes/n1/proxy/run", "create nodes /n1/proxy/run"}};
  for (const auto& row : rows) CHECK_MESSAGE(told(row.method, row.url) == row.meant, row.url);
}

TEST_CASE("what does not exist or is not allowed is told apart") {
  struct row { const char *method, *url, *code; } rows[] = {
      {"GET", "/api/v1/widgets", "404"}, {"GET", "/apis/apps/v1beta1/deployments", "404"}, {"GET", "/api/v2/pods", "404"},
      {"GET", "/api/v1/pods/p1", "404"}, {"GET", "/api/v1/namespaces/default/nodes", "404"},
      {"GET", "/api/v1/namespaces/default/pods/p1/none", "404"}, {"GET", "/api/v1/namespaces/default/pods/p1/log/x", "404"},
      {"POST", "/api/v1/pods", "405"}, {"DELETE", "/api/v1/namespaces", "405"}, {"PUT", "/api/v1/namespaces/d/pods", "405"},
      {"POST", "/api/v1/namespaces/d/pods/p", "405"}, {"PUT", "/api/v1/namespaces/d/pods/p/log", "405"},
      {"BREW", "/api/v1/nodes/n", "405"}, {"GET", "/api/v1/namespaces/d/pods/..", "400"},
      {"GET", "/api/v1/namespaces/%2e%2e/pods", "400"}, {"GET", "/api/v1/namespaces/d/pods/a%2Fb", "400"},
      {"GET", "/api/v1/nodes/n1/proxy/../x", "400"}, {"GET", "/api/v1/nodes/%zz", "400"}, {"GET", "/api/v1/nodes/a%00b", "400"},
      {"GET", "no/slash", "400"}, {"GET", "", "400"}, {"GET", "/api/v1/namespaces//pods", "404"},
      {"GET", "/api/v1/pods?labelSelector=a%3D%3D%3Db", "400"}, {"GET", "/api/v1/pods?fieldSelector=spec.x%3D1", "400"},
      {"GET", "/api/v1/pods?limit=x", "400"}, {"GET", "/api/v1/pods?resourceVersion=abc", "400"},
      {"GET", "/api/v1/pods?resourceVersion=-1", "400"}, {"GET", "/api/v1/pods?timeoutSeconds=1h", "400"},
      {"GET", "/api/v1/pods?resourceVersionMatch=Exact", "422"},
      {"GET", "/api/v1/pods?resourceVersion=0&resourceVersionMatch=Exact", "422"},
      {"GET", "/api/v1/pods?resourceVersion=5&resourceVersionMatch=Other", "422"},
      {"GET", "/api/v1/pods?watch=1&resourceVersion=5&resourceVersionMatch=Exact", "422"},
      {"GET", "/api/v1/pods?sendInitialEvents=true", "422"}, {"GET", "/api/v1/pods?watch=1&sendInitialEvents=true", "422"},
      {"GET", "/api/v1/pods?continue=x&resourceVersion=5", "400"},
      {"POST", "/api/v1/namespaces?dryRun=Some", "422"}, {"POST", "/api/v1/namespaces?fieldValidation=Maybe", "422"}};
  for (const auto& row : rows) CHECK_MESSAGE(told(row.method, row.url) == row.code, row.url);
  CHECK(told("GET", "/api/v1/pods?fieldManager=" + std::string(129, 'a')) == "422");
  CHECK(told("GET", "/" + std::string(query_bytes_max, 'a')) == "400");
}

TEST_CASE("options are read as Go reads them") {
  auto to = asked("GET", "/api/v1/pods", "watch=1&allowWatchBookmarks=t&timeoutSeconds=313&resourceVersion=1047&limit=500&"
                                        "labelSelector=app%3Dweb,x!%3Dy&fieldSelector=metadata.name%3Dr1&a;b=1&bad=%zz");
  CHECK(to.what == verb::watch);
  CHECK(to.ask.bookmarks);
  CHECK(*to.ask.timeout_s == 313);
  CHECK(*to.ask.resource_version == 1047);
  CHECK(to.ask.limit == 500);
  CHECK(to.ask.labels.terms.size() == 2);
  CHECK(to.ask.fields.required_name() == "r1");
  CHECK(to.query.size() == 7);
  for (auto no : {"watch=false", "watch=0", "watch=F", "watch=False", "x=1"})
    CHECK_MESSAGE(asked("GET", "/api/v1/pods", no).what == verb::list, no);
  for (auto yes : {"watch=true", "watch=T", "watch=True", "watch", "watch=yes"})
    CHECK_MESSAGE(asked("GET", "/api/v1/pods", yes).what == verb::watch, yes);
  auto write = asked("PATCH", "/api/v1/nodes/n1", "dryRun=All&fieldManager=k+b&fieldValidation=Strict&force=true&pretty=0");
  CHECK(write.ask.dry_run);
  CHECK(write.ask.field_manager == "k b");
  CHECK(write.ask.validation == field_validation::strict);
  CHECK(write.ask.force);
  CHECK(write.ask.pretty_set);
  CHECK(!write.ask.pretty);
  CHECK(asked("GET", "/api/v1/pods", "").ask.validation == field_validation::warn);
  CHECK(!asked("GET", "/api/v1/pods", "").ask.resource_version);
  CHECK(asked("GET", "/api/v1/pods", "resourceVersion=").ask.resource_version.has_value() == false);
  auto legacy = asked("GET", "/api/v1/watch/namespaces/d/pods/p1", "");
  CHECK(legacy.name.empty());
  CHECK(legacy.ask.fields.required_name() == "p1");
  CHECK(parse_bool("TRUE") == true);
  CHECK(parse_bool("f") == false);
  CHECK(!parse_bool("tRue"));
}

TEST_CASE("a proxied node's name carries scheme and port") {
  auto full = split_proxy_name("https:n1:10250");
  CHECK((full && full->scheme == "https" && full->name == "n1" && full->port == "10250"));
  auto port = split_proxy_name("n1:10250");
  CHECK((port && port->scheme.empty() && port->name == "n1" && port->port == "10250"));
  CHECK(split_proxy_name("n1")->name == "n1");
  CHECK(!split_proxy_name("ftp:n1:21"));
  CHECK(!split_proxy_name(""));
  CHECK(!split_proxy_name("a:b:c:d"));
}

TEST_CASE("refusals are said in upstream's words") {
  const auto& pods = kind_of("pods");
  CHECK(not_found(pods, "p").message == "pods \"p\" not found");
  CHECK(already_exists(kind_of("leases", "coordination.k8s.io"), "x").message ==
        "leases.coordination.k8s.io \"x\" already exists");
  CHECK(conflict(pods, "p").message ==
        "Operation cannot be fulfilled on pods \"p\": the object has been modified; please apply your changes to the "
        "latest version and try again");
  auto many = invalid(pods, "p", {required_value("spec.containers"), invalid_value("metadata.name", "P", "bad")});
  CHECK(many.message == "Pod \"p\" is invalid: [spec.containers: Required value, metadata.name: Invalid value: \"P\": bad]");
  CHECK(many.code == 422);
  auto status = read(status_json(many));
  CHECK(status["status"] == "Failure");
  CHECK(status["reason"] == "Invalid");
  CHECK(status["details"]["kind"] == "Pod");
  CHECK(status["details"]["causes"][0] == read(R"({"field":"spec.containers","message":"Required value","reason":"FieldValueRequired"})"));
  CHECK(read(status_json(too_many_requests("slow", 3)))["details"]["retryAfterSeconds"] == 3);
  CHECK(too_old_version(5, 9).message == "too old resource version: 5 (9)");
  CHECK(too_large_version(9, 5).message == "Timeout: Too large resource version: 9, current: 5");
  auto gone = read(deleted_json(pods, "p", "u"));
  CHECK(gone["status"] == "Success");
  CHECK(gone["details"] == read(R"({"kind":"pods","name":"p","uid":"u"})"));
  // Not 503: a client that repeats what may have happened would do it twice.
  const auto unknown = from_error(fail(errc::outcome_unknown, "its answer was lost"), pods, "p");
  CHECK(unknown.code == 504);
  CHECK(unknown.reason == "Timeout");
  CHECK(unknown.message == "Timeout: whether the write happened is not known; read before writing again: its answer was lost");
  CHECK(unknown.retry_after_s == 0);
  const auto full = insufficient_storage("no room");
  CHECK(full.code == 507);
  CHECK(parse_json(status_json(full))->at("reason") == "InsufficientStorage");
}
