// How many decisions a second on so many nodes: the pure part with its account, without the API. Prints one JSON document.
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "actors/scheduler/score.hpp"

using namespace troupe;
using namespace troupe::scheduler;

int main(int count, char** words) {
  const int nodes = count > 1 ? std::atoi(words[1]) : 1000, pods = count > 2 ? std::atoi(words[2]) : 10000;
  ledger all;
  for (int i = 0; i < nodes; ++i)
    all.put_node({{"metadata", {{"name", "n" + std::to_string(i)}, {"labels", {{"zone", std::to_string(i % 3)}}}}},
                  {"status", {{"allocatable", {{"cpu", "16"}, {"memory", "64Gi"}, {"pods", "110"}}}}}});
  rng dice(1);
  std::size_t begin = 0, placed = 0;
  const auto t0 = std::chrono::steady_clock::now();
  for (int i = 0; i < pods; ++i) {
    const json object{{"metadata", {{"name", "p" + std::to_string(i)}, {"namespace", "d"}, {"labels", {{"app", "web"}}}}},
                      {"spec", {{"containers", json::array({{{"name", "c"}, {"image", "i"}, {"resources", {{"requests", {{"cpu", "100m"}, {"memory", "128Mi"}}}}}}})}}}};
    const auto pod = read_pod(object);
    const auto chosen = choose_node(*pod, all, begin, dice);
    begin = chosen.next;
    if (chosen.node.empty()) continue;
    all.put_pod(pod, chosen.node);
    ++placed;
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - t0).count();
  std::printf("{\"nodes\":%d,\"pods\":%d,\"placed\":%zu,\"decisions_per_second\":%.0f}\n", nodes, pods, placed, pods / seconds);
  return placed == static_cast<std::size_t>(pods) ? 0 : 1;
}
