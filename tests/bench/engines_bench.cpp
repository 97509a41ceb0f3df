// One engine under closed loops of clients: `engines_bench sqlite|rocksdb|kine|kine-normal FOLDER [milliseconds]`, or
// `engines_bench etcd|put URL [milliseconds]`. `put` is the same gRPC thread sending bare puts and deletions, `kine` is
// kine's statements with synchronous=FULL. bench.py runs them in turns.
//
// A client creates objects of its own, then updates them, then deletes them, one after the other, each for that long. Prints
// one JSON document: per second and 99th percentile at 1, 16, 256 and 1,000 clients (kine, which has a thread and a
// connection each: up to 256), a list of 10,000 objects, how far the change feed is behind an answer, resident memory.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <thread>

#include "storage/await.hpp"
#include "storage/etcd/etcd.hpp"
#include "storage/etcd/links.hpp"
#include "storage/rocksdb/rocksdb.hpp"
#include "storage/sqlite/sqlite.hpp"
#include "tests/bench/datastore/kine_like.hpp"

using namespace troupe;
using namespace troupe::storage;
using bench_clock = std::chrono::steady_clock;
using milliseconds = std::chrono::duration<double, std::milli>;

namespace {
constexpr std::size_t listed = 10'000;
const std::string value(1'500, 'v');

using settled = std::function<void(revision)>;
/// Does one operation, and says its revision when it is done; 0: it failed.
using doer = std::function<void(operation, settled)>;

struct figures {
  double per_second = 0, p99_ms = 0;
};
struct object {
  std::string key;
  revision at = 0;
};
std::string key_of(std::size_t client, std::size_t number) {
  char text[80];
  std::snprintf(text, sizeof text, "/registry/pods/namespace-%04zu/deployment-7d9c6b8f5d-%08zu", client, number);
  return text;
}

/// The clients and what is theirs.
class clients {
 public:
  clients(std::size_t many, std::chrono::milliseconds span) : objects_(many), span_(span) {}

  figures run(operation::kind what, const doer& once) {
    what_ = what;
    latencies_.clear();
    turns_.assign(objects_.size(), 0);
    began_ = bench_clock::now();
    {
      const std::lock_guard hold(mutex_);
      open_ = objects_.size();
    }
    for (std::size_t who = 0; who < objects_.size(); ++who) next(who, once);
    std::unique_lock hold(mutex_);
    over_.wait(hold, [this] { return open_ == 0; });
    const double took = std::chrono::duration<double>(bench_clock::now() - began_).count();
    std::sort(latencies_.begin(), latencies_.end());
    if (latencies_.empty()) return {};
    return {static_cast<double>(latencies_.size()) / took, latencies_[latencies_.size() * 99 / 100]};
  }

 private:
  void next(std::size_t who, const doer& once) {
    auto& mine = objects_[who];
    const bool create = what_ == operation::kind::create;
    if (bench_clock::now() - began_ >= span_ || (!create && mine.empty())) return finish();
    if (create) mine.push_back({key_of(who + 10'000 * objects_.size(), mine.size()), 0});   // what an earlier run left is in nobody's way
    const std::size_t which = create || what_ == operation::kind::erase ? mine.size() - 1 : turns_[who]++ % mine.size();
    operation ask{what_, mine[which].key, what_ == operation::kind::erase ? bytes() : bytes(std::string(value)), mine[which].at};
    const auto began = bench_clock::now();
    once(std::move(ask), [this, who, which, began, &once](revision at) {
      if (at == 0) std::fprintf(stderr, "a write failed\n"), std::abort();
      if (what_ == operation::kind::erase) objects_[who].pop_back();
      else objects_[who][which].at = at;
      {
        const std::lock_guard hold(mutex_);
        latencies_.push_back(milliseconds(bench_clock::now() - began).count());
      }
      next(who, once);
    });
  }
  void finish() {
    const std::lock_guard hold(mutex_);
    --open_;
    over_.notify_all();
  }

  std::vector<std::vector<object>> objects_;
  std::chrono::milliseconds span_;
  operation::kind what_ = operation::kind::create;
  std::vector<std::size_t> turns_;
  bench_clock::time_point began_;
  std::mutex mutex_;
  std::condition_variable over_;
  std::size_t open_ = 0;
  std::vector<double> latencies_;
};

std::string json_of(const figures& f) {
  char text[80];
  std::snprintf(text, sizeof text, "{\"per_second\":%.0f,\"p99_ms\":%.2f}", f.per_second, f.p99_ms);
  return text;
}
std::string rows_of(const std::vector<std::size_t>& counts, std::chrono::milliseconds span, const std::function<doer(std::size_t)>& with) {
  std::string out;
  for (const auto many : counts) {
    clients all(many, span);
    const auto once = with(many);
    out.append(out.empty() ? "" : ",").append("{\"clients\":").append(std::to_string(many));
    out.append(",\"create\":").append(json_of(all.run(operation::kind::create, once)));
    out.append(",\"update\":").append(json_of(all.run(operation::kind::update, once)));
    out.append(",\"erase\":").append(json_of(all.run(operation::kind::erase, once))).append("}");
  }
  return out;
}

doer over(engine& e) {
  return [&e](operation what, settled then) {
    std::vector<operation> one;
    one.push_back(std::move(what));
    e.commit(std::move(one), [then = std::move(then)](committed_batch out) { then(out.outcomes.at(0).at); });
  };
}

/// How long 10,000 objects of 1.5 kB take to be read, in milliseconds; the best of three.
double list_ms(engine& e) {
  for (std::size_t i = 0; i < listed; i += 500) {
    std::vector<operation> batch;
    for (std::size_t k = i; k < i + 500; ++k) batch.push_back({operation::kind::create, "/registry/maps/" + std::to_string(k), bytes(std::string(value)), 0});
    await<committed_batch>([&](engine::commit_done done) { e.commit(std::move(batch), std::move(done)); });
  }
  double best = 1e9;
  for (int i = 0; i < 3; ++i) {
    const auto began = bench_clock::now();
    const auto page = await<result<storage::page>>([&](engine::range_done done) { e.range({"/registry/maps/", "/registry/maps0", 0, 0}, std::move(done)); });
    if (!page.ok() || page->records.size() != listed) std::abort();
    best = std::min(best, milliseconds(bench_clock::now() - began).count());
  }
  return best;
}

/// Median time from the beginning of a write until its change can be followed, one write at a time.
double delivery_ms(engine& e) {
  std::vector<double> all;
  auto at = await<result<revision>>([&](engine::head_done done) { e.read_head(std::move(done)); }).value();
  const auto once = over(e);
  for (int i = 0; i < 300; ++i) {
    const auto began = bench_clock::now();
    await<revision>([&](auto done) {
      once({operation::kind::create, "/registry/watched/" + std::to_string(i), bytes(std::string(value)), 0}, [done](revision got) { done(got); });
    });
    for (bool seen = false; !seen;) {
      auto got = await<result<std::vector<change>>>([&](engine::changes_done done) { e.changes_after(at, 0, std::move(done)); });
      if (!got.ok()) std::abort();
      if (!got->empty()) seen = true, at = got->back().at;
    }
    all.push_back(milliseconds(bench_clock::now() - began).count());
  }
  std::sort(all.begin(), all.end());
  return all[all.size() / 2];
}

double rss_mb() {
  std::ifstream from("/proc/self/status");
  for (std::string line; std::getline(from, line);)
    if (line.starts_with("VmRSS:")) return std::atof(line.c_str() + 6) / 1024;
  return 0;
}

std::string of_engine(engine& e, const std::string& rows) {
  char text[160];
  const double list = list_ms(e), delivery = delivery_ms(e);
  std::snprintf(text, sizeof text, ",\"list_10k_ms\":%.1f,\"delivery_ms\":%.3f,\"rss_mb\":%.1f", list, delivery, rss_mb());
  return "[" + rows + "]" + text;
}

std::string run_kine(const std::string& path, bool safe, std::chrono::milliseconds span) {
  bench::kine_client::create_schema(path);
  // A thread and a connection for each, as kine has them: who asks waits.
  std::vector<std::unique_ptr<bench::kine_client>> connections;
  std::string rows = "[", sep;
  for (const std::size_t many : {1u, 16u, 256u}) {
    while (connections.size() < many) connections.push_back(std::make_unique<bench::kine_client>(path, safe));
    std::vector<std::vector<object>> objects(many);
    rows += sep + "{\"clients\":" + std::to_string(many);
    sep.assign(1, ',');
    for (const auto what : {operation::kind::create, operation::kind::update, operation::kind::erase}) {
      std::mutex mutex;
      std::vector<double> latencies;
      std::vector<std::thread> threads;
      const auto start = bench_clock::now();
      for (std::size_t who = 0; who < many; ++who)
        threads.emplace_back([&, who] {
          std::vector<double> mine;
          auto& own = objects[who];
          for (std::size_t turn = 0; bench_clock::now() - start < span; ++turn) {
            if (what != operation::kind::create && own.empty()) break;
            if (what == operation::kind::create) own.push_back({key_of(who + many * 10, own.size()), 0});
            auto& one = what == operation::kind::update ? own[turn % own.size()] : own.back();
            const auto began = bench_clock::now();
            one.at = connections[who]->write(one.key, value, one.at, what == operation::kind::erase);
            if (one.at == 0) std::abort();
            if (what == operation::kind::erase) own.pop_back();
            mine.push_back(milliseconds(bench_clock::now() - began).count());
          }
          const std::lock_guard hold(mutex);
          latencies.insert(latencies.end(), mine.begin(), mine.end());
        });
      for (auto& one : threads) one.join();
      const double took = std::chrono::duration<double>(bench_clock::now() - start).count();
      std::sort(latencies.begin(), latencies.end());
      figures f;
      if (!latencies.empty()) f = {static_cast<double>(latencies.size()) / took, latencies[latencies.size() * 99 / 100]};
      rows += what == operation::kind::create ? ",\"create\":" : what == operation::kind::update ? ",\"update\":" : ",\"erase\":";
      rows += json_of(f);
    }
    rows += "}";
  }
  auto& one = *connections.front();
  bench::kine_client::begin_bulk(one);
  for (std::size_t i = 0; i < listed; ++i)
    if (one.write("/registry/maps/" + std::to_string(i), value, 0, false) == 0) std::abort();
  bench::kine_client::end_bulk(one);
  double list = 1e9;
  for (int i = 0; i < 3; ++i) {
    const auto began = bench_clock::now();
    if (one.list("/registry/maps/%") != listed) std::abort();
    list = std::min(list, milliseconds(bench_clock::now() - began).count());
  }
  char text[100];
  std::snprintf(text, sizeof text, "],\"list_10k_ms\":%.1f,\"rss_mb\":%.1f", list, rss_mb());
  return rows + text;
}

/// What gRPC and etcd can do without us: no compare, no fence, no answer read.
std::string run_put(const std::string& url, std::chrono::milliseconds span) {
  auto at = std::move(*etcd::make_endpoint(url, {}));
  net::rpc::loop loop("put");
  const doer once = [&](operation what, settled then) {
    loop.post([&, what = std::move(what), then = std::move(then)] {
      etcd::pb::TxnRequest request;
      if (what.what == operation::kind::erase) request.add_success()->mutable_request_delete_range()->set_key("/put" + what.key);
      else {
        auto& put = *request.add_success()->mutable_request_put();
        put.set_key("/put" + what.key);
        put.set_value(std::string(what.value.view()));
      }
      net::rpc::call<etcd::pb::TxnResponse>(
          loop, std::chrono::seconds(10), [&](grpc::ClientContext* context, grpc::CompletionQueue* on) { return at->kv->PrepareAsyncTxn(context, request, on); },
          [then](const grpc::Status& status, etcd::pb::TxnResponse& said) { then(status.ok() ? said.header().revision() : 0); });
    });
  };
  auto rows = rows_of({1, 16, 256, 1000}, span, [&](std::size_t) { return once; });
  loop.post([&loop] { loop.stop(); });
  loop.join();
  char text[60];
  std::snprintf(text, sizeof text, "],\"rss_mb\":%.1f", rss_mb());
  return "[" + rows + text;
}
}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return std::fprintf(stderr, "engines_bench sqlite|rocksdb|kine|kine-normal|etcd|put FOLDER|URL [milliseconds]\n"), 2;
  const std::string which = argv[1], where = argv[2];
  const std::chrono::milliseconds span(argc > 3 ? std::atoi(argv[3]) : 400);
  std::string found;
  if (which == "kine" || which == "kine-normal") found = run_kine(where + "/kine.db", which == "kine", span);
  else if (which == "put") found = run_put(where, span);
  else {
    sqlite_config lite;
    lite.path = where + "/sqlite.db";
    rocksdb_config rocks;
    rocks.path = where + "/rocksdb";
    etcd_config remote;
    remote.access.endpoints = {where};
    remote.prefix = "/registry/";
    auto opened = which == "sqlite" ? open_sqlite(lite) : which == "rocksdb" ? open_rocksdb(rocks) : open_etcd(remote);
    if (!opened.ok()) return std::fprintf(stderr, "%s\n", opened.why().text().c_str()), 1;
    auto& e = **opened;
    found = of_engine(e, rows_of({1, 16, 256, 1000}, span, [&](std::size_t) { return over(e); }));
  }
  std::printf("{\"engine\":\"%s\",\"writes\":%s}\n", which.c_str(), found.c_str());
  return 0;
}
