#include "tests/bench/datastore/idle_bench.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <queue>
#include <vector>

#include "basis/rng.hpp"
#include "storage/rocksdb/rocksdb.hpp"
#include "storage/sqlite/sqlite.hpp"
#include "tests/bench/datastore/counting_vfs.hpp"
#include "tests/bench/datastore/kine_like.hpp"

namespace troupe::bench {
namespace {
using namespace storage;
using bench_clock = std::chrono::steady_clock;
constexpr int nodes = 100, minutes = 10;

/// One write of the idle cluster, at a virtual millisecond.
struct beat {
  int at_ms;
  enum class kind { lease, status, event } what;
  int number;
};
std::vector<beat> script() {
  std::vector<beat> out;
  constexpr int end = minutes * 60'000;
  for (int n = 0; n < nodes; ++n) {
    for (int at = n * 100; at < end; at += 10'000) out.push_back({at, beat::kind::lease, n});
    for (int at = n * 3'000; at < end; at += 300'000) out.push_back({at, beat::kind::status, n});
  }
  for (int at = 15'000; at < end; at += 30'000) out.push_back({at, beat::kind::event, at / 30'000});
  std::stable_sort(out.begin(), out.end(), [](const beat& a, const beat& b) { return a.at_ms < b.at_ms; });
  return out;
}
std::string key_of(beat::kind what, int number) {
  const char* form = what == beat::kind::lease    ? "/registry/leases/kube-node-lease/worker-%04d.example.internal"
                     : what == beat::kind::status ? "/registry/minions/worker-%04d.example.internal"
                                                  : "/registry/events/default/web-7d9c6b8f5d-x2x4z.17a4c6b8f5d%04d";
  char text[96];
  std::snprintf(text, sizeof text, form, number);
  return text;
}
/// Sizes of what a K3s 1.33 server stores as JSON: a Lease, a Node with a dozen images, an Event.
std::string value_of(beat::kind what, int at_ms) {
  std::string out(what == beat::kind::lease ? 390 : what == beat::kind::status ? 6'200 : 900, 'x');
  return out.replace(0, 12, "t=" + std::to_string(1'000'000'000 + at_ms));
}

template <class T, class Ask>
T wait_for(Ask ask) {
  std::mutex mutex;
  std::condition_variable ready;
  bool done = false;
  T out{};
  ask([&](T value) {
    const std::lock_guard hold(mutex);
    out = std::move(value);
    done = true;
    ready.notify_one();
  });
  std::unique_lock hold(mutex);
  ready.wait(hold, [&] { return done; });
  return out;
}

/// Calls `write(key, value, expected, relaxed)` for every write of the ten minutes; `minute(n)` between.
void play(const std::function<revision(const std::string&, std::string, revision, beat::kind)>& write,
          const std::function<void(int)>& time) {
  std::vector<revision> leases(nodes), states(nodes);
  for (int n = 0; n < nodes; ++n) {  // They are there before anybody counts.
    leases[static_cast<std::size_t>(n)] = write(key_of(beat::kind::lease, n), value_of(beat::kind::lease, 0), 0, beat::kind::lease);
    states[static_cast<std::size_t>(n)] = write(key_of(beat::kind::status, n), value_of(beat::kind::status, 0), 0, beat::kind::status);
  }
  time(-1);
  for (const auto& one : script()) {
    time(one.at_ms);
    revision none = 0;
    revision& at = one.what == beat::kind::lease    ? leases[static_cast<std::size_t>(one.number)]
                   : one.what == beat::kind::status ? states[static_cast<std::size_t>(one.number)]
                                                    : none;
    at = write(key_of(one.what, one.number), value_of(one.what, one.at_ms), at, one.what);
    if (at == 0) std::abort();
  }
}

enum class policy { durable, brief, heartbeats };

disk_counts play_ours(const std::string& path, policy how) {
  counting_vfs counted;
  std::atomic<std::int64_t> clock = 0;
  sqlite_config config;
  config.path = path;
  config.now = [&clock] { return mono_time(std::chrono::milliseconds(clock.load())); };
  auto opened = open_sqlite(config);
  if (!opened) std::abort();
  auto& e = **opened;
  revision five_minutes_ago = 0;
  int next_compaction = 300'000;
  play(
      [&](const std::string& key, std::string value, revision expected, beat::kind what) {
        std::vector<operation> batch(1);
        batch[0] = {expected == 0 ? operation::kind::create : operation::kind::update, key, bytes(std::move(value)), expected,
                    how == policy::heartbeats || (how == policy::brief && what != beat::kind::status)};
        return wait_for<committed_batch>([&](engine::commit_done done) { e.commit(std::move(batch), std::move(done)); })
            .outcomes.at(0)
            .at;
      },
      [&](int at_ms) {
        if (at_ms < 0) {
          counted.take();
          five_minutes_ago = e.status().head;
          return;
        }
        clock = 60'000 + at_ms;
        if (at_ms < next_compaction) return;
        next_compaction += 300'000;
        if (!wait_for<result<void>>(
                [&](engine::done done) { e.compact(std::exchange(five_minutes_ago, e.status().head), std::move(done)); }))
          std::abort();
      });
  opened = fail(errc::closed);
  return counted.take();
}

disk_counts play_kine(const std::string& path, bool safe) {
  counting_vfs counted;
  kine_client::create_schema(path);
  disk_counts out;
  {
    kine_client client(path, safe);
    play([&](const std::string& key, const std::string& value, revision expected,
             beat::kind) { return client.write(key, value, expected, false); },
         [&](int at_ms) { if (at_ms < 0) counted.take(); });
    out = counted.take();
  }
  return out;
}

std::string row(const char* name, const disk_counts& one) {
  std::fprintf(stderr, "%28s %8llu syncs %12llu bytes\n", name, static_cast<unsigned long long>(one.syncs),
               static_cast<unsigned long long>(one.bytes));
  char text[160];
  std::snprintf(text, sizeof text, "\"%s\":{\"syncs\":%llu,\"bytes\":%llu}", name, static_cast<unsigned long long>(one.syncs),
                static_cast<unsigned long long>(one.bytes));
  return text;
}
double ratio(std::uint64_t of, std::uint64_t to) { return static_cast<double>(of) / static_cast<double>(std::max<std::uint64_t>(to, 1)); }
}  // namespace

std::string run_idle100(const std::string& folder) {
  std::fprintf(stderr, "idle100: %d nodes, %d virtual minutes\n", nodes, minutes);
  const auto ours = play_ours(folder + "/idle-ours", policy::heartbeats);
  const auto brief = play_ours(folder + "/idle-brief", policy::brief);
  const auto durable = play_ours(folder + "/idle-durable", policy::durable);
  const auto full = play_kine(folder + "/idle-kine-full", true), normal = play_kine(folder + "/idle-kine-normal", false);
  std::string out = "{\"nodes\":" + std::to_string(nodes) + ",\"virtual_minutes\":" + std::to_string(minutes) + ",";
  out += row("ours", ours) + ",";
  out += row("ours_node_status_durable", brief) + ",";
  out += row("ours_all_durable", durable) + ",";
  out += row("kine_like_full", full) + ",";
  out += row("kine_like_normal", normal);
  char text[240];
  std::snprintf(text, sizeof text,
                ",\"fewer_syncs_than_kine_full\":%.1f,\"fewer_bytes_than_kine_full\":%.1f,"
                "\"fewer_syncs_than_kine_normal\":%.1f,\"fewer_bytes_than_kine_normal\":%.1f}",
                ratio(full.syncs, ours.syncs), ratio(full.bytes, ours.bytes), ratio(normal.syncs, ours.syncs),
                ratio(normal.bytes, ours.bytes));
  std::fprintf(stderr, "%s\n", text + 1);
  return out + text;
}

namespace {
template <class Open>
std::string live_long(const char* name, const std::string& path, long updates, Open open) {
  constexpr std::size_t keys_total = 10'000, value_bytes = 700, batch_size = 250;
  auto e = open(path);
  rng chance(5);
  std::string noise(8'192, '\0');
  for (auto& c : noise) c = static_cast<char>(chance.below(256));
  std::vector<revision> at(keys_total);
  std::uint64_t largest_file = 0, largest_log = 0, live = 0;
  std::vector<double> commit_ms;
  const auto began = bench_clock::now();
  for (long done = 0; done < updates; done += batch_size) {
    std::vector<operation> batch;
    const auto first = static_cast<std::size_t>(done) % keys_total;
    for (std::size_t i = first; i < first + batch_size; ++i)
      batch.push_back({at[i] == 0 ? operation::kind::create : operation::kind::update,
                       "/registry/configmaps/namespace/some-configmap-of-mine-" + std::to_string(10'000 + i),
                       bytes(noise.substr(chance.below(noise.size() - value_bytes), value_bytes)), at[i]});
    if (done < static_cast<long>(keys_total))
      for (const auto& one : batch) live += one.key.size() + one.value.size();
    const auto start = bench_clock::now();
    const auto out = wait_for<committed_batch>([&](engine::commit_done then) { e->commit(std::move(batch), std::move(then)); });
    commit_ms.push_back(std::chrono::duration<double, std::milli>(bench_clock::now() - start).count());
    for (std::size_t i = 0; i < batch_size; ++i) at[first + i] = out.outcomes.at(i).at;
    if (done % 1'000 != 0) continue;
    e->compact(std::max<revision>(0, out.head - 1'000), [](result<void>) {});
    struct stat seen {};
    const auto log = ::stat((path + "-wal").c_str(), &seen) == 0 ? static_cast<std::uint64_t>(seen.st_size) : 0;
    largest_log = std::max(largest_log, log);
    largest_file = std::max(largest_file, e->status().file_bytes - log);
  }
  const double took = std::chrono::duration<double>(bench_clock::now() - began).count();
  if (!wait_for<result<void>>([&](engine::done then) { e->compact(e->status().head, std::move(then)); })) std::abort();
  e.reset();
  const auto start = bench_clock::now();
  e = open(path);
  const double reopen_ms = std::chrono::duration<double, std::milli>(bench_clock::now() - start).count();
  std::sort(commit_ms.begin(), commit_ms.end());
  char text[400];
  std::snprintf(text, sizeof text,
                "\"%s\":{\"updates\":%ld,\"per_second\":%.0f,\"live_bytes\":%llu,\"file_bytes_max\":%llu,\"file_to_live\":%.2f,"
                "\"log_bytes_max\":%llu,\"commit_of_250_p50_ms\":%.1f,\"p99_ms\":%.1f,\"longest_ms\":%.1f,\"reopen_ms\":%.1f}",
                name, updates, static_cast<double>(updates) / took, static_cast<unsigned long long>(live),
                static_cast<unsigned long long>(largest_file), ratio(largest_file, live),
                static_cast<unsigned long long>(largest_log), commit_ms[commit_ms.size() / 2], commit_ms[commit_ms.size() * 99 / 100],
                commit_ms.back(), reopen_ms);
  std::fprintf(stderr, "%s\n", text);
  return text;
}
}  // namespace

std::string run_long_life(const std::string& folder, long updates) {
  const auto open_as = [](auto config, auto opener) {
    return [config, opener](const std::string& path) mutable {
      config.path = path;
      auto opened = opener(config);
      if (!opened) std::abort();
      return std::move(*opened);
    };
  };
  return "{" + live_long("sqlite", folder + "/long-sqlite", updates, open_as(sqlite_config(), open_sqlite)) + "," +
         live_long("rocksdb", folder + "/long-rocksdb", updates, open_as(rocksdb_config(), open_rocksdb)) + "}";
}

}  // namespace troupe::bench
