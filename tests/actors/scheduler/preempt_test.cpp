// Who has to go when a pod fits nowhere: tables.
#include <doctest/doctest.h>

#include <algorithm>

#include "actors/scheduler/preempt.hpp"
#include "actors/scheduler/score.hpp"

using namespace troupe;
using namespace troupe::scheduler;

namespace {
struct wish {
  std::string name, cpu = "500m";
  int priority = 0;
  std::string started = "2026-01-01T00:00:00Z";
  json labels = json::object();
  json spec = json::object();
};
pod_ptr pod(const wish& w) {
  json out{{"metadata", {{"name", w.name}, {"namespace", "d"}, {"uid", "u-" + w.name}, {"labels", w.labels}}},
           {"spec", {{"priority", w.priority}, {"containers", json::array({{{"name", "c"}, {"resources", {{"requests", {{"cpu", w.cpu}}}}}}})}}},
           {"status", {{"startTime", w.started}}}};
  out["spec"].update(w.spec);
  return read_pod(out);
}
struct place {
  place(std::initializer_list<const char*> nodes) {
    for (const char* name : nodes)
      all.put_node({{"metadata", {{"name", name}, {"labels", {{"kubernetes.io/hostname", name}}}}}, {"status", {{"allocatable", {{"cpu", "2"}, {"pods", "10"}}}}}});
  }
  void runs(const char* node, const wish& w) { all.put_pod(pod(w), node); }
  /// "node: victims" of the pod, or "".
  std::string gives(const wish& w) {
    const auto before = picture();
    const auto got = find_sacrifice(*pod(w), all, kept, 0);
    CHECK(picture() == before);   // as it was
    if (!got) return "";
    std::string out = got->node + ":";
    for (const auto& each : got->victims) out += " " + each->name;
    return out;
  }
  std::string picture() const {
    std::string out;
    for (const auto& [name, node] : all.nodes()) {
      out += name + "=" + std::to_string(node.used.contains("cpu") ? node.used.at("cpu") : 0);
      for (const auto& [key, each] : node.pods) out += "," + key;
      out += ";";
    }
    return out;
  }
  ledger all;
  budgets kept;
};
}  // namespace

TEST_CASE("as few pods go as must, the least important of them, and none that is as important") {
  place in{"n"};
  in.runs("n", {"low", "500m", 1});
  in.runs("n", {"lower", "500m", 0});
  in.runs("n", {"late", "500m", 0, "2026-02-02T00:00:00Z"});
  in.runs("n", {"same", "500m", 10});
  CHECK(in.gives({"p", "500m", 10}) == "n: late");              // of equals who began last
  CHECK(in.gives({"p", "1", 10}) == "n: lower late");
  CHECK(in.gives({"p", "1500m", 10}) == "n: low lower late");
  CHECK(in.gives({"p", "1501m", 10}) == "");                    // `same` stays
  CHECK(in.gives({"p", "1501m", 11}) == "n: same low lower late");
  CHECK(in.gives({"p", "500m", 0}) == "");
}

TEST_CASE("a large pod goes rather than two small ones of its kind, and who need not go stays") {
  place in{"n"};
  in.runs("n", {"small", "500m", 0, "2026-03-03T00:00:00Z"});
  in.runs("n", {"large", "1500m", 0});
  CHECK(in.gives({"p", "500m", 5}) == "n: small");
  CHECK(in.gives({"p", "1500m", 5}) == "n: large");
}

TEST_CASE("the node with the least loss is taken") {
  SUBCASE("whose most important victim is the least important") {
    place in{"a", "b"};
    in.runs("a", {"a1", "2", 5});
    in.runs("b", {"b1", "1", 4}), in.runs("b", {"b2", "1", 4});
    CHECK(in.gives({"p", "2", 10}) == "b: b1 b2");
  }
  SUBCASE("then with the fewest victims") {
    place in{"a", "b"};
    in.runs("a", {"a1", "1", 4}), in.runs("a", {"a2", "1", 4});
    in.runs("b", {"b1", "2", 4});
    CHECK(in.gives({"p", "2", 10}) == "b: b1");
  }
  SUBCASE("also when priorities are negative") {
    place in{"a", "b"};
    in.runs("a", {"a1", "1", -4}), in.runs("a", {"a2", "1", -4});
    in.runs("b", {"b1", "2", -4});
    CHECK(in.gives({"p", "2", 10}) == "b: b1");
  }
  SUBCASE("then whose victims began last") {
    place in{"a", "b"};
    in.runs("a", {"a1", "2", 4, "2026-01-01T00:00:00Z"});
    in.runs("b", {"b1", "2", 4, "2026-01-02T00:00:00Z"});
    CHECK(in.gives({"p", "2", 10}) == "b: b1");
  }
  SUBCASE("but none that would not do however many went") {
    place in{"a", "b"};
    in.runs("a", {"a1", "2", 0});
    in.runs("b", {"b1", "2", 4});
    CHECK(in.gives({"p", "2", 10, "", {}, {{"nodeSelector", {{"kubernetes.io/hostname", "b"}}}}}) == "b: b1");
    CHECK(in.gives({"p", "3", 10}) == "");
  }
}

TEST_CASE("whom a disruption budget keeps goes last of all") {
  place in{"a", "b"};
  const json web{{"app", "web"}};
  in.runs("a", {"a1", "1", 1, "2026-01-01T00:00:00Z", web}), in.runs("a", {"a2", "1", 2});
  in.runs("b", {"b1", "2", 3});
  const json budget{{"metadata", {{"namespace", "d"}}}, {"spec", {{"selector", {{"matchLabels", web}}}}}, {"status", {{"disruptionsAllowed", 0}}}};
  CHECK(in.gives({"p", "1", 10}) == "a: a1");
  in.kept["d/budget"] = read_budget(budget);
  CHECK(in.gives({"p", "1", 10}) == "a: a2");
  CHECK(in.gives({"p", "2", 10}) == "b: b1");
  in.all.drop_node("b");
  CHECK(in.gives({"p", "2", 10}) == "a: a2 a1");                // nothing else is left
  auto allows = budget;
  allows["status"]["disruptionsAllowed"] = 1;
  in.kept["d/budget"] = read_budget(allows);
  CHECK(in.gives({"p", "1", 10}) == "a: a1");
  in.kept["d/budget"].ns = "elsewhere";
  CHECK(in.gives({"p", "1", 10}) == "a: a1");
}

TEST_CASE("a pod that does not want its neighbours has them go when they are less important") {
  place in{"n"};
  in.runs("n", {"web", "100m", 0, "", {{"app", "web"}}});
  in.runs("n", {"db", "100m", 0, "", {{"app", "db"}}});
  const json alone{{"affinity", {{"podAntiAffinity", {{"requiredDuringSchedulingIgnoredDuringExecution",
      json::array({{{"topologyKey", "kubernetes.io/hostname"}, {"labelSelector", {{"matchLabels", {{"app", "web"}}}}}}})}}}}}};
  CHECK(in.gives({"p", "100m", 1, "", {}, alone}) == "n: web");
}

TEST_CASE("room that is kept for a pod is not given to a less important one, and is to a more important one") {
  place in{"n"};
  rng dice(1);
  const auto first = pod({"first", "2", 10});
  in.all.nominate(first, "n");
  const auto lower = pod({"lower", "500m", 9}), same = pod({"same", "500m", 10}), higher = pod({"higher", "500m", 11});
  CHECK(choose_node(*lower, in.all, 0, dice).node == "");
  CHECK(choose_node(*same, in.all, 0, dice).node == "");
  CHECK(choose_node(*higher, in.all, 0, dice).node == "n");
  CHECK(choose_node(*first, in.all, 0, dice).node == "n");
  in.all.put_pod(first, "n");            // it came: it is counted once
  CHECK(choose_node(*pod({"none", "0", 10}), in.all, 0, dice).node == "n");
  in.all.drop_pod(first->key);
  in.all.nominate(first, "");
  CHECK(choose_node(*lower, in.all, 0, dice).node == "n");
  CHECK(in.all.nominees("n") == nullptr);
}
