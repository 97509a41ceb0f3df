// What a container runtime itself takes to have a pod of one container run: RunPodSandbox, CreateContainer, StartContainer, by our
// own client. `cri_bench SOCKET IMAGE COUNT` one after the other; with a fourth word that many at a time. Its pods have no uid,
// so a kubelet of the same runtime lets them be; they are removed. Prints one JSON document.
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "net/cri/client.hpp"

using namespace troupe;
using namespace troupe::net::cri;
using tick = std::chrono::steady_clock;

namespace {

/// Waits for the answer, and ends the program when it is an error.
template <class T, class Ask>
T wait(const char* what, Ask ask) {
  std::mutex lock;
  std::condition_variable ready;
  std::optional<result<T>> got;
  ask([&](result<T> answer) {
    std::scoped_lock hold(lock);
    got.emplace(std::move(answer));
    ready.notify_one();
  });
  std::unique_lock hold(lock);
  ready.wait(hold, [&] { return got.has_value(); });
  if (!got->ok()) {
    std::fprintf(stderr, "%s: %s\n", what, got->why().text().c_str());
    std::exit(1);
  }
  return std::move(**got);
}

struct made { std::string sandbox; double ms = 0; };

made make_pod(runtime& on, const std::string& image, int number) {
  sandbox_config box;
  box.name = "bench-" + std::to_string(number);
  box.ns = "bench";
  box.hostname = box.name;
  box.log_folder = "/var/log/pods/" + box.name;
  std::filesystem::create_directories(box.log_folder);
  container_config one;
  one.name = "main";
  one.image = image;
  one.command = {"sh", "-c", "trap 'exit 0' TERM; sleep 3600 & wait"};
  one.log_path = "main.log";
  made out;
  const auto began = tick::now();
  out.sandbox = wait<std::string>("RunPodSandbox", [&](auto then) { on.run_sandbox(box, std::move(then)); });
  const auto id = wait<std::string>("CreateContainer", [&](auto then) { on.create_container(out.sandbox, one, box, std::move(then)); });
  wait<nothing>("StartContainer", [&](auto then) { on.start_container(id, std::move(then)); });
  out.ms = std::chrono::duration<double, std::milli>(tick::now() - began).count();
  return out;
}

void remove_pod(runtime& on, const std::string& id) {
  wait<nothing>("StopPodSandbox", [&](auto then) { on.stop_sandbox(id, std::move(then)); });
  wait<nothing>("RemovePodSandbox", [&](auto then) { on.remove_sandbox(id, std::move(then)); });
}

}  // namespace

int main(int count, char** words) {
  if (count < 4) return std::fprintf(stderr, "usage: cri_bench SOCKET IMAGE COUNT [AT_A_TIME]\n"), 2;
  client_config with;
  with.socket = words[1];
  const auto on = make_client(with);
  const int pods = std::atoi(words[3]), at_a_time = count > 4 ? std::atoi(words[4]) : 1;
  const auto image = wait<net::cri::image>("ImageStatus", [&](auto then) { on->image_status(words[2], std::move(then)); }).id;
  std::vector<made> all(static_cast<std::size_t>(pods));
  const auto began = tick::now();
  std::vector<std::thread> hands;
  for (int hand = 0; hand < at_a_time; ++hand)
    hands.emplace_back([&, hand] {
      for (int i = hand; i < pods; i += at_a_time) all[static_cast<std::size_t>(i)] = make_pod(*on, image, i);
    });
  for (auto& hand : hands) hand.join();
  const double whole = std::chrono::duration<double, std::milli>(tick::now() - began).count();
  for (const auto& one : all) remove_pod(*on, one.sandbox);
  std::sort(all.begin(), all.end(), [](const made& a, const made& b) { return a.ms < b.ms; });
  std::printf("{\"pods\":%d,\"median_ms\":%.1f,\"most_ms\":%.1f,\"whole_ms\":%.1f}\n", pods, all[all.size() / 2].ms, all.back().ms, whole);
}
