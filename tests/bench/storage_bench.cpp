// How many durable writes per second, and how fast a file is opened: ours against kine's way, in
// turns within one run, because a shared machine is twice as fast as itself an hour ago.
//
//   storage_bench [folder] [rounds] [milliseconds per run] [ours|idle|long]
//
// ours leaves kine out, for profiles; idle and long (a million updates) run that part alone, see idle_bench.hpp.
//
// Clients are closed loops: 80 % updates, 10 % creations, 10 % deletions, each a compare on the
// revision; keys of some 57 bytes, values of 1 to 2 KiB. Prints a table on standard error and one
// JSON document on standard output.
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <functional>
#include <mutex>
#include <thread>

#include "basis/rng.hpp"
#include "storage/sqlite/sqlite.hpp"
#include "tests/bench/datastore/idle_bench.hpp"
#include "tests/bench/datastore/kine_like.hpp"

using namespace troupe;
using namespace troupe::storage;
using bench_clock = std::chrono::steady_clock;

namespace {
constexpr std::size_t keys_total = 4'096;

double seconds_since(bench_clock::time_point began) {
  return std::chrono::duration<double>(bench_clock::now() - began).count();
}
double cpu_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto of = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6; };
  return of(used.ru_utime) + of(used.ru_stime);
}
double median(std::vector<double> all) {
  std::sort(all.begin(), all.end());
  return all.empty() ? 0 : all[all.size() / 2];
}

struct figures {
  double per_second = 0, p50_ms = 0, p99_ms = 0, cpu_us = 0;
};
/// `word` with a number behind it (GCC 12 warns wrongly about "literal" + to_string).
template <class Number>
std::string numbered(std::string_view word, Number number) {
  return std::string(word).append(std::to_string(number));
}
figures figures_of(std::vector<float> latencies, double took, double cpu) {
  figures out;
  if (latencies.empty()) return out;
  std::sort(latencies.begin(), latencies.end());
  out.per_second = static_cast<double>(latencies.size()) / took;
  out.p50_ms = static_cast<double>(latencies[latencies.size() / 2]);
  out.p99_ms = static_cast<double>(latencies[latencies.size() * 99 / 100]);
  out.cpu_us = cpu * 1e6 / static_cast<double>(latencies.size());
  return out;
}

/// One client's script: which key next, with what. Both engines are asked the same.
class script {
 public:
  script(std::uint64_t client, std::size_t keys) : chance_(rng(42).fork(std::to_string(client))) {
    for (std::size_t i = 0; i < keys; ++i) slots_.push_back({key_name(client, next_key_++), 0});
    filler_.resize(4096);
    for (auto& c : filler_) c = static_cast<char>('a' + chance_.below(26));
  }
  struct step {
    std::size_t slot;
    bool create, erase;
    std::string_view value;
  };
  step first(std::size_t slot) { return {slot, true, false, value()}; }
  step next() {
    const auto slot = chance_.below(slots_.size());
    if (slots_[slot].second == 0) return {slot, true, false, value()};
    // Deleted slots are created again, so 11 in 100 deletions keep creations at one in ten.
    return chance_.chance(11) ? step{slot, false, true, {}} : step{slot, false, false, value()};
  }
  const std::string& key(const step& of) const { return slots_[of.slot].first; }
  revision expected(const step& of) const { return slots_[of.slot].second; }
  void done(const step& of, revision at) { slots_[of.slot].second = of.erase ? 0 : at; }
  std::size_t size() const { return slots_.size(); }

 private:
  static std::string key_name(std::uint64_t client, std::uint64_t number) {
    char text[96];
    std::snprintf(text, sizeof text, "/registry/pods/namespace-%04llu/deployment-7d9c6b8f5d-%08llu",
                  static_cast<unsigned long long>(client), static_cast<unsigned long long>(number));
    return text;
  }
  std::string_view value() { return std::string_view(filler_).substr(chance_.below(1024), 1024 + chance_.below(1024)); }
  rng chance_;
  std::vector<std::pair<std::string, revision>> slots_;
  std::uint64_t next_key_ = 0;
  std::string filler_;
};

operation to_operation(const script& of, const script::step& what) {
  using kind = operation::kind;
  return {what.create ? kind::create : what.erase ? kind::erase : kind::update, of.key(what),
          what.erase ? bytes() : bytes(std::string(what.value)), what.create ? 0 : of.expected(what)};
}

/// Completions on their way to the one driver thread, as an actor's mailbox would bring them.
struct mailbox {
  std::mutex mutex;
  std::condition_variable ready;
  std::deque<std::pair<std::size_t, revision>> letters;
};

figures run_ours(const std::string& path, std::size_t clients, std::chrono::milliseconds span) {
  sqlite_config config;
  config.path = path;
  auto opened = open_sqlite(config);
  if (!opened) std::fprintf(stderr, "%s\n", opened.why().text().c_str()), std::abort();
  auto& e = **opened;
  mailbox box;
  std::vector<script> scripts;
  for (std::size_t i = 0; i < clients; ++i) scripts.emplace_back(i, keys_total / clients);
  std::vector<script::step> steps(clients);
  std::vector<bench_clock::time_point> began(clients);
  const auto send = [&](std::size_t who, script::step what) {
    steps[who] = what;
    began[who] = bench_clock::now();
    std::vector<operation> batch;
    batch.push_back(to_operation(scripts[who], what));
    e.commit(std::move(batch), [&box, who](committed_batch out) {
      bool waits = false;
      {
        const std::lock_guard hold(box.mutex);
        waits = box.letters.empty();
        box.letters.emplace_back(who, out.outcomes[0].at);
      }
      if (waits) box.ready.notify_one();   // a mailbox wakes its actor for the first letter only
    });
  };
  std::deque<std::pair<std::size_t, revision>> arrived;
  const auto receive = [&] {
    std::unique_lock hold(box.mutex);
    box.ready.wait(hold, [&] { return !box.letters.empty(); });
    arrived.swap(box.letters);
  };
  const auto take = [&](const auto& letter) {
    if (letter.second == 0) std::abort();
    scripts[letter.first].done(steps[letter.first], letter.second);
  };
  for (std::size_t slot = 0; slot < scripts[0].size(); ++slot) {  // Preload.
    for (std::size_t who = 0; who < clients; ++who) send(who, scripts[who].first(slot));
    for (std::size_t seen = 0; seen < clients; arrived.clear()) {
      receive();
      seen += arrived.size();
      for (const auto& letter : arrived) take(letter);
    }
  }
  std::vector<float> latencies;
  const double cpu = cpu_seconds();
  const auto start = bench_clock::now();
  for (std::size_t who = 0; who < clients; ++who) send(who, scripts[who].next());
  revision compacted = 0;
  double took = 0;
  for (std::size_t flying = clients; flying > 0; arrived.clear()) {
    receive();
    const auto now = bench_clock::now();
    took = std::chrono::duration<double>(now - start).count();
    const bool over = now - start >= span;
    for (const auto& letter : arrived) {
      take(letter);
      latencies.push_back(std::chrono::duration<float, std::milli>(now - began[letter.first]).count());
      if (over) --flying;
      else send(letter.first, scripts[letter.first].next());
      if (letter.second - compacted > 15'000) {
        compacted = letter.second - 10'000;
        e.compact(compacted, [](result<void>) {});
      }
    }
  }
  return figures_of(std::move(latencies), took, cpu_seconds() - cpu);
}

figures run_kine(const std::string& path, bool safe, std::size_t clients, std::chrono::milliseconds span) {
  bench::kine_client::create_schema(path);
  std::vector<script> scripts;
  for (std::size_t i = 0; i < clients; ++i) scripts.emplace_back(i, keys_total / clients);
  {
    bench::kine_client loader(path, safe);
    bench::kine_client::begin_bulk(loader);
    for (auto& one : scripts)
      for (std::size_t slot = 0; slot < one.size(); ++slot) {
        const auto what = one.first(slot);
        one.done(what, loader.write(one.key(what), what.value, 0, false));
      }
    bench::kine_client::end_bulk(loader);
  }
  std::mutex mutex;
  std::vector<float> latencies;
  std::vector<std::thread> threads;
  std::vector<std::unique_ptr<bench::kine_client>> connections;
  for (std::size_t i = 0; i < clients; ++i) connections.push_back(std::make_unique<bench::kine_client>(path, safe));
  const double cpu = cpu_seconds();
  const auto start = bench_clock::now();
  for (std::size_t who = 0; who < clients; ++who)
    threads.emplace_back([&, who] {
      std::vector<float> mine;
      while (bench_clock::now() - start < span) {
        const auto began = bench_clock::now();
        const auto what = scripts[who].next();
        const auto at = connections[who]->write(scripts[who].key(what), what.value, scripts[who].expected(what), what.erase);
        if (at == 0) std::abort();
        scripts[who].done(what, at);
        mine.push_back(static_cast<float>(seconds_since(began) * 1e3));
      }
      const std::lock_guard hold(mutex);
      latencies.insert(latencies.end(), mine.begin(), mine.end());
    });
  for (auto& one : threads) one.join();
  return figures_of(std::move(latencies), seconds_since(start), cpu_seconds() - cpu);
}

/// One 4 KiB append and fdatasync after the other: what the disk can do for one client.
double run_raw(const std::string& path, std::chrono::milliseconds span) {
  const int fd = ::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
  const std::string page(4096, 'x');
  const auto start = bench_clock::now();
  double done = 0;
  for (; bench_clock::now() - start < span; ++done)
    if (::write(fd, page.data(), page.size()) != 4096 || ::fdatasync(fd) != 0) std::abort();
  ::close(fd);
  return done / seconds_since(start);
}

/// {fresh open, clean reopen, reopen with a write-ahead log} in milliseconds; the log holds 10k keys and 28 MB.
std::vector<double> run_opens(const std::string& path) {
  sqlite_config config;
  config.path = path;
  std::vector<double> out;
  const auto timed_open = [&] {
    const auto start = bench_clock::now();
    auto opened = open_sqlite(config);
    out.push_back(seconds_since(start) * 1e3);
    if (!opened) std::abort();
    return std::move(*opened);
  };
  auto e = timed_open();
  const auto fill = [&](bool update) {
    for (int b = 0; b < 20; ++b) {
      std::vector<operation> batch;
      for (int i = 0; i < 500; ++i) {
        const auto number = b * 500 + i;
        batch.push_back({update ? operation::kind::update : operation::kind::create,
                         numbered("/registry/configmaps/namespace/some-configmap-of-mine-", number),
                         bytes(std::string(update ? 700 : 2'000, 'x')), update ? number + 1 : 0});
      }
      std::mutex mutex;
      std::condition_variable ready;
      bool done = false;
      e->commit(std::move(batch), [&](committed_batch) {
        const std::lock_guard hold(mutex);
        done = true;
        ready.notify_one();
      });
      std::unique_lock hold(mutex);
      ready.wait(hold, [&] { return done; });
    }
  };
  fill(false);
  fill(true);
  e.reset();
  e = timed_open();
  e.reset();
  return out;
}

std::string json_of(const figures& f) {
  char text[200];
  std::snprintf(text, sizeof text, "{\"per_second\":%.0f,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"cpu_us_per_write\":%.1f}", f.per_second,
                f.p50_ms, f.p99_ms, f.cpu_us);
  return text;
}
figures median_of(const std::vector<figures>& all) {
  const auto pick = [&](double figures::*which) {
    std::vector<double> values;
    for (const auto& one : all) values.push_back(one.*which);
    return median(values);
  };
  return {pick(&figures::per_second), pick(&figures::p50_ms), pick(&figures::p99_ms), pick(&figures::cpu_us)};
}
}  // namespace

int main(int argc, char** argv) {
  namespace fs = std::filesystem;
  if (argc > 1 && !fs::is_directory(argv[1])) {
    std::fprintf(stderr, "usage: storage_bench [FOLDER [ROUNDS [MILLISECONDS [ours|idle|long [UPDATES]]]]]; there is no folder %s\n", argv[1]);
    return 2;
  }
  const fs::path folder = fs::path(argc > 1 ? argv[1] : ".") / numbered("storage-bench-", ::getpid());
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 3;
  const std::chrono::milliseconds span(argc > 3 ? std::atoi(argv[3]) : 1'500);
  const std::string word = argc > 4 ? argv[4] : "";
  const bool alone = word == "ours";
  fs::create_directories(folder);
  if (word == "idle" || word == "long") {
    const auto part = word == "idle" ? bench::run_idle100(folder) : bench::run_long_life(folder, argc > 5 ? std::atol(argv[5]) : 1'000'000);
    std::printf("{\"%s\":%s}\n", word == "idle" ? "idle100" : "long_life", part.c_str());
    fs::remove_all(folder);
    return 0;
  }
  auto fresh = [&, n = 0](const char* word) mutable { return (folder / numbered(word, n++)).string(); };
  std::string json = numbered("{\"rounds\":", rounds) + numbered(",\"milliseconds_per_run\":", span.count());
  std::vector<double> raw, fresh_open, reopen;
  std::string rows;
  std::fprintf(stderr, "%8s %10s %10s %10s %8s %9s %9s %9s\n", "clients", "ours/s", "kine/s", "kine-nosync", "ratio", "ours p99",
               "kine p99", "ours us");
  for (const std::size_t clients : {1u, 16u, 256u}) {
    std::vector<figures> ours, kine, lax;
    std::vector<double> ratios;
    for (int round = 0; round < rounds; ++round) {
      raw.push_back(run_raw(fresh("raw"), span / 4));
      ours.push_back(run_ours(fresh("ours"), clients, span));
      kine.push_back(alone ? figures{} : run_kine(fresh("kine"), true, clients, span));
      lax.push_back(alone ? figures{} : run_kine(fresh("kine"), false, clients, span));
      ratios.push_back(alone ? 0 : ours.back().per_second / kine.back().per_second);
      for (const auto& one : fs::directory_iterator(folder)) fs::remove(one.path());
    }
    const auto us = median_of(ours), them = median_of(kine), unsafe = median_of(lax);
    std::fprintf(stderr, "%8zu %10.0f %10.0f %10.0f %7.1fx %7.2fms %7.2fms %9.1f\n", clients, us.per_second, them.per_second,
                 unsafe.per_second, median(ratios), us.p99_ms, them.p99_ms, us.cpu_us);
    std::string all;
    for (double one : ratios) all += numbered(all.empty() ? "" : ",", one);
    rows.append(rows.empty() ? "" : ",").append(numbered("{\"clients\":", clients)).append(",\"ours\":").append(json_of(us));
    rows.append(",\"kine_like_full\":").append(json_of(them)).append(",\"kine_like_normal\":").append(json_of(unsafe));
    rows.append(numbered(",\"ratio_median\":", median(ratios))).append(",\"ratios\":[").append(all).append("]}");
  }
  for (int round = 0; round < rounds; ++round) {
    const auto took = run_opens(fresh("open"));
    fresh_open.push_back(took.at(0));
    reopen.push_back(took.at(1));
  }
  std::fprintf(stderr, "raw append+fdatasync %.0f/s; fresh open %.1f ms; reopen of 10k keys, 28 MB %.1f ms\n", median(raw),
               median(fresh_open), median(reopen));
  json.append(numbered(",\"raw_append_sync_per_second\":", median(raw))).append(",\"writes\":[").append(rows);
  json.append(numbered("],\"open_fresh_ms\":", median(fresh_open)));
  json.append(numbered(",\"reopen_10k_keys_ms\":", median(reopen))).append(",\"idle100\":").append(bench::run_idle100(folder)).append("}");
  std::printf("%s\n", json.c_str());
  fs::remove_all(folder);
  return 0;
}
