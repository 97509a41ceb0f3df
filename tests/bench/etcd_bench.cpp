// How much of etcd's own speed our client leaves: `etcd_bench http://127.0.0.1:2379 [milliseconds] [rounds]`, by hand,
// against an etcd that is for it alone. The bound is the same gRPC thread sending bare puts, without compare or fence;
// `compared` is that thread with the same compares as ours: what is missing there is etcd's own price for them.
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <vector>

#include "storage/etcd/links.hpp"

using namespace troupe;
using namespace troupe::storage;

namespace {
double cpu_s() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

struct figures {
  double per_second = 0, cpu_us = 0;
};

/// Keeps `flying` calls of `one(then)` in the air for `span`.
template <class One>
figures keep(std::size_t flying, std::chrono::milliseconds span, One one) {
  std::mutex mutex;
  std::condition_variable landed;
  std::atomic<bool> stop = false;
  std::atomic<std::uint64_t> count = 0;
  std::size_t open = flying;
  std::function<void(bool)> then = [&](bool ok) {
    if (ok) ++count;
    if (ok && !stop) return one(then);
    const std::lock_guard hold(mutex);
    --open;
    landed.notify_all();
  };
  const auto began = std::chrono::steady_clock::now();
  const double cpu = cpu_s();
  for (std::size_t i = 0; i < flying; ++i) one(then);
  std::unique_lock hold(mutex);
  landed.wait_for(hold, span, [&] { return open == 0; });
  stop = true;
  landed.wait(hold, [&] { return open == 0; });
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  const auto done = static_cast<double>(count.load());
  return {done / took.count(), (cpu_s() - cpu) * 1e6 / std::max(done, 1.0)};
}

figures ours(const std::string& url, std::size_t flying, std::chrono::milliseconds span, int run) {
  etcd_config config;
  config.access.endpoints = {url};
  auto e = std::move(*open_etcd(config));
  std::atomic<std::uint64_t> next = 0;
  const std::string prefix = "/registry/bench-" + std::to_string(run) + "-" + std::to_string(flying) + "/";
  return keep(flying, span, [&](std::function<void(bool)> then) {
    std::vector<operation> batch;
    batch.push_back({operation::kind::create, prefix + std::to_string(next++), bytes(std::string(1'000, 'v')), 0});
    e->commit(std::move(batch), [then = std::move(then)](committed_batch out) {
      then(out.outcomes.at(0).what == outcome::kind::committed);
    });
  });
}

figures bare(const std::string& url, std::size_t flying, std::chrono::milliseconds span, int run, bool compared) {
  auto at = std::move(*etcd::make_endpoint(url, {}));
  net::rpc::loop loop("bare");
  std::atomic<std::uint64_t> next = 0;
  const std::string prefix = (compared ? "/compared-" : "/bare-") + std::to_string(run) + "-" + std::to_string(flying) + "/";
  const auto out = keep(flying, span, [&](std::function<void(bool)> then) {
    loop.post([&, then = std::move(then)] {
      etcd::pb::TxnRequest request;
      auto& put = *request.add_success()->mutable_request_put();
      put.set_key(prefix + std::to_string(next++));
      put.set_value(std::string(1'000, 'v'));
      for (const auto& key : compared ? std::vector<std::string>{put.key(), "/no-fence"} : std::vector<std::string>()) {
        auto& one = *request.add_compare();
        one.set_target(etcd::pb::Compare::MOD);
        one.set_key(key);
        one.set_mod_revision(0);
        request.add_failure()->mutable_request_range()->set_key(key);
      }
      net::rpc::call<etcd::pb::TxnResponse>(
          loop, 5s, [&](grpc::ClientContext* context, grpc::CompletionQueue* on) { return at->kv->PrepareAsyncTxn(context, request, on); },
          [then](const grpc::Status& status, etcd::pb::TxnResponse&) { then(status.ok()); });
    });
  });
  loop.post([&loop] { loop.stop(); });
  loop.join();
  return out;
}
}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return std::fprintf(stderr, "etcd_bench URL [milliseconds] [rounds]\n"), 2;
  const std::chrono::milliseconds span(argc > 2 ? std::atoi(argv[2]) : 1'500);
  const int rounds = argc > 3 ? std::atoi(argv[3]) : 3;
  for (const std::size_t flying : {1u, 16u, 256u}) {
    std::vector<double> us, them, same, cpu_us, cpu_them, cpu_same;
    for (int round = 0; round < rounds; ++round) {
      const auto a = ours(argv[1], flying, span, round), b = bare(argv[1], flying, span, round, false), c = bare(argv[1], flying, span, round, true);
      same.push_back(c.per_second), cpu_same.push_back(c.cpu_us);
      us.push_back(a.per_second), cpu_us.push_back(a.cpu_us), them.push_back(b.per_second), cpu_them.push_back(b.cpu_us);
    }
    const auto median = [](std::vector<double>& all) { return std::sort(all.begin(), all.end()), all[all.size() / 2]; };
    const double mine = median(us), bound = median(them);
    std::printf("{\"in_flight\":%zu,\"per_second\":%.0f,\"bare_per_second\":%.0f,\"ratio\":%.2f,\"compared_per_second\":%.0f,\"compared_ratio\":%.2f,"
                "\"cpu_us\":%.0f,\"bare_cpu_us\":%.0f,\"compared_cpu_us\":%.0f}\n",
                flying, mine, bound, mine / bound, median(same), mine / median(same), median(cpu_us), median(cpu_them), median(cpu_same));
  }
  return 0;
}
