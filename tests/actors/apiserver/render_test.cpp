#include "actors/apiserver/wire/render.hpp"

#include "actors/apiserver/wire/table.hpp"
#include "tests/actors/apiserver/support.hpp"

using namespace troupe;
using namespace troupe::apiserver;
using namespace troupe::apiserver::testing;

namespace {
model::document_ptr document(std::string_view plural, const json& object, std::string_view group = "", std::int64_t at = 42) {
  auto made = model::make_document(kind_of(plural, group), to_text(object), 1, at);
  REQUIRE(made.ok());
  return *made;
}

rendering as(std::string_view plural, representation::form form = representation::form::json, std::string_view group = "") {
  rendering out{&kind_of(plural, group), {}, noon()};
  out.as.as = form;
  return out;
}

json cells(std::string_view plural, std::string_view object, std::string_view group = "") {
  return read(table_row(as(plural, representation::form::table, group), *document(plural, read(object), group)))["cells"];
}

std::string negotiated(std::string_view accept, std::string_view agent = "kubectl") {
  auto out = negotiate(accept, agent, target{});
  if (auto* why = std::get_if<api_error>(&out)) return std::to_string(why->code);
  const auto& form = std::get<representation>(out);
  std::string name = std::vector<std::string>{"json", "yaml", "table", "partial"}[static_cast<std::size_t>(form.as)];
  return name.append(form.beta ? " beta" : "").append(form.list ? " list" : "").append(form.pretty ? " pretty" : "");
}
}  // namespace

TEST_CASE("Accept headers of recorded clients are understood") {
  CHECK(negotiated("application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json") == "table");
  CHECK(negotiated("application/json;as=Table;v=v9;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io") == "table beta");
  CHECK(negotiated("application/vnd.kubernetes.protobuf,application/json") == "json");
  CHECK(negotiated("application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,"
                   "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json") == "partial list");
  CHECK(negotiated("") == "json");
  CHECK(negotiated("*/*") == "json");
  CHECK(negotiated("application/json, */*;q=0.8") == "json");
  CHECK(negotiated("application/yaml") == "yaml");
  CHECK(negotiated("application/json;q=0.1, application/yaml") == "yaml");
  CHECK(negotiated("text/html") == "406");
  CHECK(negotiated("application/vnd.kubernetes.protobuf") == "406");
  CHECK(negotiated("*/*", "curl/8") == "json pretty");
  CHECK(negotiated(";;;,,,=") == "406");
  CHECK(negotiate_discovery("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json") == discovery_form::v2);
  CHECK(negotiate_discovery("application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json") == discovery_form::v2beta1);
  CHECK(negotiate_discovery("application/json") == discovery_form::legacy);
}

TEST_CASE("single objects are the stored text, or what was asked of it") {
  auto map = document("configmaps", read(R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"d"},"data":{"k":"v"}})"));
  CHECK(render_object(as("configmaps"), *map) == map->text());
  auto partial = read(render_object(as("configmaps", representation::form::partial_metadata), *map));
  CHECK(partial == read(R"({"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"name":"a","namespace":"d","resourceVersion":"42"}})"));
  CHECK(render_object(as("configmaps", representation::form::yaml), *map).find("k: v") != std::string::npos);
  auto pretty = as("configmaps");
  pretty.as.pretty = true;
  CHECK(render_object(pretty, *map).starts_with("{\n  \"apiVersion\": \"v1\""));
  auto table = read(render_object(as("configmaps", representation::form::table), *map));
  CHECK(table["kind"] == "Table");
  CHECK(table["columnDefinitions"].size() == 3);
  CHECK(table["rows"][0]["cells"] == read(R"(["a",1,"<unknown>"])"));
  CHECK(table["rows"][0]["object"]["kind"] == "PartialObjectMetadata");
}

TEST_CASE("lists come in pages that continue where they ended") {
  model::snapshot all;
  for (int i = 0; i < 25; ++i)
    for (auto ns : {"a", "a-b", "b"})
      all = all.insert(document("configmaps", {{"metadata", {{"name", std::string("k").append(1, static_cast<char>('a' + i))}, {"namespace", ns},
                                                             {"labels", {{"odd", i % 2 ? "y" : "n"}}}}}}));
  options ask;
  ask.limit = 10;
  std::string start;
  std::size_t seen = 0, pages = 0;
  while (true) {
    auto part = select_page(all, 99, kind_of("configmaps"), "a", ask, start);
    seen += part.items.size();
    for (const auto& each : part.items) CHECK(each->ns() == "a");
    auto list = read(render_list(as("configmaps"), part));
    CHECK(list["kind"] == "ConfigMapList");
    CHECK(list["items"].size() == part.items.size());
    CHECK(list["metadata"]["resourceVersion"] == "99");
    ++pages;
    if (part.continue_token.empty()) {
      CHECK(!list["metadata"].contains("continue"));
      break;
    }
    CHECK(list["metadata"]["remainingItemCount"] == 25 - seen);
    auto mark = decode_mark(part.continue_token);
    REQUIRE(mark.has_value());
    CHECK(mark->revision == 99);
    start = mark->start;
  }
  CHECK(seen == 25);
  CHECK(pages == 3);
  CHECK(select_page(all, 99, kind_of("configmaps"), "", {}).items.size() == 75);
  options odd;
  odd.limit = 5;
  odd.labels = *model::parse_label_selector("odd=y");
  auto some = select_page(all, 99, kind_of("configmaps"), "b", odd);
  CHECK(some.items.size() == 5);
  CHECK(!some.remaining);
  for (auto text : {"", "1", "!!!", "e30", "eyJ2IjoieCJ9"}) CHECK_MESSAGE(!decode_mark(text), text);
  CHECK(!decode_mark(std::string(5000, 'A')));
}

TEST_CASE("a list written in pieces is the same as in one") {
  model::snapshot all;
  for (int i = 0; i < 50; ++i)
    all = all.insert(document("nodes", {{"metadata", {{"name", std::string("n").append(std::to_string(i))}}}}));
  for (auto form : {representation::form::json, representation::form::table, representation::form::partial_metadata,
                    representation::form::yaml}) {
    auto part = select_page(all, 7, kind_of("nodes"), "", {});
    list_writer writer(as("nodes", form), part);
    std::string pieces;
    int count = 1;
    while (writer.next(pieces, 100)) ++count;
    CHECK(pieces == render_list(as("nodes", form), part));
    CHECK((count > 10) == (form != representation::form::yaml));
    CHECK(!writer.next(pieces, 100));
  }
  CHECK(read(render_list(as("nodes"), {}))["items"] == json::array());
}

TEST_CASE("watch events are lines in the form that was asked for") {
  auto map = document("configmaps", read(R"({"kind":"ConfigMap","metadata":{"name":"a","namespace":"d"}})"));
  auto line = render_watch_event(as("configmaps"), event_type::added, *map, true);
  CHECK(line == std::string("{\"type\":\"ADDED\",\"object\":").append(map->text()).append("}\n"));
  auto first = read(render_watch_event(as("configmaps", representation::form::table), event_type::modified, *map, true));
  auto later = read(render_watch_event(as("configmaps", representation::form::table), event_type::modified, *map, false));
  CHECK(first["object"]["columnDefinitions"].is_array());
  CHECK(later["object"]["columnDefinitions"].is_null());
  CHECK(later["object"]["rows"].size() == 1);
  auto mark = read(render_bookmark(as("configmaps"), 77, true, false));
  CHECK(mark["type"] == "BOOKMARK");
  CHECK(mark["object"]["metadata"]["resourceVersion"] == "77");
  CHECK(mark["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"] == "true");
  CHECK(read(render_watch_error(too_old_version(1, 5)))["object"]["code"] == 410);
  auto event = document("events", read(R"({"apiVersion":"v1","kind":"Event","message":"m","metadata":{"name":"e","namespace":"d"}})"));
  CHECK(read(render_watch_event(as("events", representation::form::json, "events.k8s.io"), event_type::added, *event, false))["object"]["note"] == "m");
}

TEST_CASE("cells say what kubectl prints") {
  CHECK(cells("pods", R"({"metadata":{"name":"p","namespace":"d","creationTimestamp":"2026-11-22T06:55:00Z"},"spec":{"nodeName":"n1",
      "containers":[{"name":"a"},{"name":"b"}]},"status":{"phase":"Running","podIP":"10.42.0.5","containerStatuses":[
      {"name":"a","ready":true,"restartCount":2,"state":{"running":{}},"lastState":{"terminated":{"finishedAt":"2026-11-22T06:57:00Z"}}},
      {"name":"b","restartCount":1,"state":{"waiting":{"reason":"CrashLoopBackOff"}}}]}})") ==
        read(R"j(["p","1/2","CrashLoopBackOff","3 (3m ago)","5m","10.42.0.5","n1","<none>","<none>"])j"));
  struct row { const char *status, *shown; } pods[] = {
      {R"({"phase":"Pending"})", "Pending"}, {R"({"phase":"Failed","reason":"Evicted"})", "Evicted"},
      {R"({"phase":"Succeeded","containerStatuses":[{"state":{"terminated":{"reason":"Completed"}}}]})", "Completed"},
      {R"({"phase":"Failed","containerStatuses":[{"state":{"terminated":{"exitCode":3}}}]})", "ExitCode:3"},
      {R"({"phase":"Pending","initContainerStatuses":[{"name":"i","state":{"running":{}}}]})", "Init:0/1"},
      {R"({"phase":"Pending","initContainerStatuses":[{"name":"i","state":{"terminated":{"exitCode":1,"reason":"Error"}}}]})", "Init:Error"}};
  for (const auto& row : pods)
    CHECK_MESSAGE(cells("pods", std::string(R"({"metadata":{"name":"p","namespace":"d"},"spec":{"containers":[{"name":"a"}],"initContainers":[{"name":"i"}]},"status":)") +
                                    row.status + "}")[2] == row.shown, row.status);
  CHECK(cells("nodes", R"({"metadata":{"name":"n","labels":{"node-role.kubernetes.io/master":"","node-role.kubernetes.io/etcd":""}},
      "spec":{"unschedulable":true},"status":{"conditions":[{"type":"Ready","status":"True"}],"nodeInfo":{"kubeletVersion":"v1"},
      "addresses":[{"type":"InternalIP","address":"10.0.0.1"}]}})") ==
        read(R"(["n","Ready,SchedulingDisabled","etcd,master","<unknown>","v1","10.0.0.1","<none>","<unknown>","<unknown>","<unknown>"])"));
  CHECK(cells("services", R"({"metadata":{"name":"s","namespace":"d"},"spec":{"type":"LoadBalancer","clusterIPs":["10.43.0.1"],
      "ports":[{"port":80,"nodePort":30080,"protocol":"TCP"},{"port":53,"protocol":"UDP"}],"selector":{"a":"b"}}})") ==
        read(R"(["s","LoadBalancer","10.43.0.1","<pending>","80:30080/TCP,53/UDP","<unknown>","a=b"])"));
  CHECK(cells("endpoints", R"({"metadata":{"name":"e","namespace":"d"},"subsets":[{"addresses":[{"ip":"1.1.1.1"},{"ip":"::1"}],
      "ports":[{"port":80},{"port":81}]}]})")[1] == "1.1.1.1:80,[::1]:80,1.1.1.1:81 + 1 more...");
  CHECK(cells("endpointslices", R"({"metadata":{"name":"e","namespace":"d"},"addressType":"IPv4","ports":[{"port":80}],
      "endpoints":[{"addresses":["1.1.1.1"]}]})", "discovery.k8s.io") == read(R"(["e","IPv4","80","1.1.1.1","<unknown>"])"));
  CHECK(cells("events", R"({"metadata":{"name":"e","namespace":"d"},"type":"Normal","reason":"Pulled","message":" hi\n","count":3,
      "involvedObject":{"kind":"Pod","name":"p"},"source":{"component":"kubelet","host":"n1"},
      "firstTimestamp":"2026-11-22T06:00:00Z","lastTimestamp":"2026-11-22T06:59:00Z"})") ==
        read(R"(["60s","Normal","Pulled","pod/p","","kubelet, n1","hi","60m","3","e"])"));
  CHECK(cells("leases", R"({"metadata":{"name":"l","namespace":"d"},"spec":{"holderIdentity":"h"}})", "coordination.k8s.io")[1] == "h");
  // Damaged objects have cells, too.
  for (const auto& kind : schema::kinds()) {
    auto odd = document(kind.plural, read(R"({"metadata":{"name":"x","namespace":"d","labels":[]},"spec":[],"status":"x","subsets":7,"ports":{},"data":5})"), kind.group);
    CHECK(read(table_row(as(kind.plural, representation::form::table, kind.group), *odd))["cells"].size() == kind.columns.size());
  }
}

TEST_CASE("ages are written as kubectl writes them") {
  struct row { long long seconds; const char* text; } rows[] = {
      {-5, "<invalid>"}, {0, "0s"}, {119, "119s"}, {120, "2m"}, {125, "2m5s"}, {599, "9m59s"}, {600, "10m"}, {10799, "179m"},
      {10800, "3h"}, {10860, "3h1m"}, {28800, "8h"}, {172799, "47h"}, {172800, "2d"}, {176400, "2d1h"}, {691200, "8d"},
      {63072000, "2y"}, {63158400, "2y1d"}, {252288000, "8y"}};
  for (const auto& row : rows) CHECK(human_duration(std::chrono::seconds(row.seconds)) == row.text);
}
