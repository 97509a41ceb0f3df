// Filters, scores, the queue and the account: tables.
#include <doctest/doctest.h>

#include "actors/scheduler/queue.hpp"
#include "actors/scheduler/score.hpp"

using namespace troupe;
using namespace troupe::scheduler;

namespace {
json read(std::string_view text) {
  auto value = parse_json(text);
  REQUIRE_MESSAGE(value.ok(), text);
  return *value;
}
json node(const std::string& name, std::string_view more = "{}") {
  auto out = read(R"({"metadata":{"labels":{"zone":"a"}},"status":{"allocatable":{"cpu":"2","memory":"4Gi","pods":"3"}}})");
  out["metadata"]["name"] = name;
  out["metadata"]["labels"]["kubernetes.io/hostname"] = name;
  out.merge_patch(read(more));
  return out;
}
pod_ptr pod(const std::string& name, std::string_view spec = "{}", std::string_view labels = R"({"app":"web"})") {
  json out{{"metadata", {{"name", name}, {"namespace", "d"}, {"uid", "u-" + name}, {"labels", read(labels)}}},
           {"spec", {{"containers", json::array({{{"name", "c"}, {"image", "i"}}})}}}};
  out["spec"].merge_patch(read(spec));
  return read_pod(out);
}
std::string why(const pod_facts& of, const ledger& all, const std::string& at) {
  const surroundings seen(of, all);
  const auto got = filter_node(seen, all.nodes().at(at));
  return got ? got.why[0] : "";
}
}  // namespace

TEST_CASE("a node refuses a pod for upstream's reasons, in upstream's words") {
  struct row { const char *node, *pod, *why; } rows[] = {
      {"{}", "{}", ""},
      {R"({"spec":{"unschedulable":true}})", "{}", "node(s) were unschedulable"},
      {R"({"spec":{"unschedulable":true}})", R"({"tolerations":[{"key":"node.kubernetes.io/unschedulable","operator":"Exists"}]})", ""},
      {R"({"spec":{"taints":[{"key":"k","value":"v","effect":"NoSchedule"}]}})", "{}", "node(s) had untolerated taint {k: v}"},
      {R"({"spec":{"taints":[{"key":"k","value":"v","effect":"NoExecute"}]}})", R"({"tolerations":[{"key":"k","value":"x"}]})", "node(s) had untolerated taint {k: v}"},
      {R"({"spec":{"taints":[{"key":"k","value":"v","effect":"NoExecute"}]}})", R"({"tolerations":[{"key":"k","value":"v","effect":"NoExecute"}]})", ""},
      {R"({"spec":{"taints":[{"key":"k","value":"v","effect":"NoSchedule"}]}})", R"({"tolerations":[{"operator":"Exists"}]})", ""},
      {R"({"spec":{"taints":[{"key":"k","effect":"PreferNoSchedule"}]}})", "{}", ""},
      {"{}", R"({"nodeSelector":{"zone":"a"}})", ""},
      {"{}", R"({"nodeSelector":{"zone":"b"}})", "node(s) didn't match Pod's node affinity/selector"},
      {"{}", R"({"affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[
          {"matchFields":[{"key":"metadata.name","operator":"In","values":["n"]}]}]}}}})", ""},
      {"{}", R"({"affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[
          {"matchExpressions":[{"key":"zone","operator":"NotIn","values":["a"]}]}]}}}})", "node(s) didn't match Pod's node affinity/selector"},
      {R"({"metadata":{"labels":{"cores":"8"}}})", R"({"affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[
          {"matchExpressions":[{"key":"cores","operator":"Gt","values":["4"]}]}]}}}})", ""},
      {"{}", R"({"containers":[{"name":"c","resources":{"requests":{"cpu":"2001m"}}}]})", "Insufficient cpu"},
      {"{}", R"({"containers":[{"name":"c","resources":{"requests":{"cpu":"2","memory":"4Gi"}}}]})", ""},
      {"{}", R"({"containers":[{"name":"c","resources":{"requests":{"memory":"1Gi"}}}],"initContainers":[{"name":"i","resources":{"requests":{"memory":"5Gi"}}}]})",
       "Insufficient memory"},
      {"{}", R"({"containers":[{"name":"c","resources":{"requests":{"example.com/gpu":"1"}}}]})", "Insufficient example.com/gpu"}};
  for (const auto& row : rows) {
    ledger all;
    all.put_node(node("n", row.node));
    CHECK_MESSAGE(why(*pod("p", row.pod), all, "n") == row.why, row.node << " " << row.pod);
  }
}

TEST_CASE("what runs on a node takes room until it has ended or gone") {
  ledger all;
  all.put_node(node("n"));
  const auto big = R"({"containers":[{"name":"c","ports":[{"containerPort":80,"hostPort":80}],"resources":{"requests":{"cpu":"1500m"}}}]})";
  const auto first = pod("a", big);
  all.put_pod(first, "n");
  CHECK(why(*pod("b", big), all, "n") == "node(s) didn't have free ports for the requested pod ports");
  CHECK(why(*pod("b", R"({"containers":[{"name":"c","resources":{"requests":{"cpu":"501m"}}}]})"), all, "n") == "Insufficient cpu");
  all.put_pod(pod("x"), "n");
  all.put_pod(pod("y"), "n");
  CHECK(why(*pod("b"), all, "n") == "Too many pods");
  all.drop_pod("d/x");
  all.drop_pod("d/a");
  CHECK(why(*pod("b", big), all, "n").empty());
  all.put_pod(first, "n");
  all.drop_node("n");
  all.put_node(node("n"));   // came back: its pods are still accounted
  CHECK(why(*pod("b", big), all, "n") == "node(s) didn't have free ports for the requested pod ports");
}

TEST_CASE("spread and neighbours hold across a topology") {
  ledger all;
  for (auto name : {"a1", "a2", "b1"}) all.put_node(node(name, std::string(R"({"metadata":{"labels":{"zone":")") + name[0] + "\"}}}"));
  const auto even = R"({"topologySpreadConstraints":[{"maxSkew":1,"topologyKey":"zone","whenUnsatisfiable":"DoNotSchedule","labelSelector":{"matchLabels":{"app":"web"}}}]})";
  all.put_pod(pod("p1"), "a1");
  CHECK(why(*pod("p2", even), all, "a2") == "node(s) didn't match pod topology spread constraints");
  CHECK(why(*pod("p2", even), all, "b1").empty());
  const auto apart = R"({"affinity":{"podAntiAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[{"topologyKey":"kubernetes.io/hostname","labelSelector":{"matchLabels":{"app":"web"}}}]}}})";
  CHECK(why(*pod("p3", apart), all, "a1") == "node(s) didn't match pod anti-affinity rules");
  CHECK(why(*pod("p3", apart), all, "a2").empty());
  const auto near = R"({"affinity":{"podAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[{"topologyKey":"zone","labelSelector":{"matchLabels":{"app":"db"}}}]}}})";
  CHECK(why(*pod("p4", near), all, "a1") == "node(s) didn't match pod affinity rules");
  CHECK(why(*pod("p5", near, R"({"app":"db"})"), all, "a1").empty());   // the first of its kind
  all.put_pod(pod("db", "{}", R"({"app":"db"})"), "a2");
  CHECK(why(*pod("p4", near), all, "a1").empty());
  CHECK(why(*pod("p4", near), all, "b1") == "node(s) didn't match pod affinity rules");
  all.put_pod(pod("loner", apart, R"({"app":"x"})"), "b1");
  CHECK(why(*pod("p6"), all, "b1") == "node(s) didn't satisfy existing pods anti-affinity rules");
  CHECK(why(*pod("p7", "{}", R"({"app":"y"})"), all, "b1").empty());
}

TEST_CASE("who finds no place is told of all the reasons") {
  ledger all;
  rng dice(1);
  CHECK(choose_node(*pod("p"), all, 0, dice).refused.text() == "no nodes available to schedule pods");
  all.put_node(node("n1", R"({"spec":{"unschedulable":true}})"));
  all.put_node(node("n2", R"({"spec":{"taints":[{"key":"k","effect":"NoSchedule"}]}})"));
  all.put_node(node("n3"));
  all.put_pod(pod("big", R"({"containers":[{"name":"c","resources":{"requests":{"cpu":"2"}}}]})"), "n3");
  const auto lost = choose_node(*pod("p", R"({"containers":[{"name":"c","resources":{"requests":{"cpu":"1"}}}]})"), all, 0, dice);
  CHECK(lost.node.empty());
  CHECK(lost.refused.text() ==
        "0/3 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint {k: }, 1 node(s) were unschedulable. preemption: 0/3 nodes are "
        "available: 1 No preemption victims found for incoming pod, 2 Preemption is not helpful for scheduling.");
}

TEST_CASE("the emptier node wins, and wishes weigh more") {
  ledger all;
  rng dice(1);
  for (auto name : {"a", "b", "c"}) all.put_node(node(name));
  const auto half = R"({"containers":[{"name":"c","resources":{"requests":{"cpu":"1","memory":"2Gi"}}}]})";
  all.put_pod(pod("1", half), "a");
  all.put_pod(pod("2", half), "c");
  CHECK(choose_node(*pod("p", half), all, 0, dice).node == "b");
  const auto wish = R"({"affinity":{"nodeAffinity":{"preferredDuringSchedulingIgnoredDuringExecution":[{"weight":10,"preference":{"matchExpressions":[
      {"key":"kubernetes.io/hostname","operator":"In","values":["c"]}]}}]}}})";
  CHECK(choose_node(*pod("p", wish), all, 0, dice).node == "c");
  all.put_node(node("b", R"({"spec":{"taints":[{"key":"k","effect":"PreferNoSchedule"}]}})"));
  CHECK(choose_node(*pod("p", half), all, 0, dice).node != "b");
  CHECK(enough_nodes(50) == 50);
  CHECK(enough_nodes(1000) == 420);
  CHECK(enough_nodes(10000) == 500);
}

TEST_CASE("the queue gives the most important first and keeps who failed waiting") {
  queue q;
  const mono_time t0{};
  q.add("low", 0), q.add("high", 10), q.add("low2", 0);
  CHECK(*q.pop(t0) == "high");
  CHECK(*q.pop(t0) == "low");
  q.aside("low", t0);
  q.again("high", t0);
  CHECK(*q.pop(t0) == "low2");
  q.forget("low2");
  CHECK_FALSE(q.pop(t0 + 999ms));
  CHECK(*q.due(t0) == t0 + 1s);
  CHECK(*q.pop(t0 + 1s) == "high");
  CHECK_FALSE(q.pop(t0 + 4min));   // nothing has changed for the other
  q.wake();
  CHECK(*q.pop(t0 + 4min) == "low");
  q.wake();                        // while it was looked at: not in vain
  q.aside("low", t0 + 4min);
  CHECK_FALSE(q.pop(t0 + 4min + 1999ms));
  CHECK(*q.pop(t0 + 4min + 2s) == "low");
  q.aside("low", t0 + 5min);
  CHECK(*q.pop(t0 + 10min) == "low");   // at the latest
  q.add("high", 20);
  CHECK(q.size() == 2);
}
