// What every engine on a disk keeps when its process dies, and what a history of concurrent clients looks like on any.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <thread>

#include "basis/rng.hpp"
#include "tests/harness/linearizable.hpp"
#include "tests/storage/rig.hpp"
#include "tests/storage/writer.hpp"

using namespace troupe;
using namespace troupe::storage;
using namespace troupe::storage::testing;

namespace {
/// Lets storage_writer write until it has acknowledged `enough`, kills it, and answers all it acknowledged.
std::vector<acknowledgement> write_and_die(const rig& on, std::uint64_t first, bool mixed, std::uint64_t enough) {
  const auto program = (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "storage_writer").string();
  const auto kind = on.name(), path = on.path(), number = std::to_string(first);
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(ends[1], 1);
    ::execl(program.c_str(), program.c_str(), kind.c_str(), path.c_str(), number.c_str(), mixed ? "mixed" : "durable", nullptr);
    ::_exit(4);
  }
  ::close(ends[1]);
  std::vector<acknowledgement> out;
  acknowledgement said{};
  while (::read(ends[0], &said, sizeof said) == sizeof said) {
    out.push_back(said);
    if (out.size() == enough) ::kill(child, SIGKILL);
  }
  ::close(ends[0]);
  int state = 0;
  ::waitpid(child, &state, 0);
  REQUIRE(WIFSIGNALED(state));
  REQUIRE(WTERMSIG(state) == SIGKILL);
  return out;
}
std::map<std::string, revision> kept_keys(rig& on, engine& e) {
  const auto all = range(on, e, {});
  REQUIRE(all.ok());
  std::map<std::string, revision> out;
  for (const auto& one : all->records) out[one.key] = one.modified;
  return out;
}
}  // namespace

TEST_CASE("no acknowledged write is lost when the process is killed at any moment, and the head does not jump") {
  over_disks([](rig& on) {
    rng chance(1);
    std::map<std::uint64_t, revision> acknowledged;
    for (std::uint64_t round = 0; round < 8; ++round) {
      for (const auto& one : write_and_die(on, round * 1'000'000, false, 1 + chance.below(1500)))
        acknowledged[one.number] = one.at;
      auto e = on.open();
      auto kept = kept_keys(on, *e);
      for (const auto& [number, at] : acknowledged) REQUIRE(kept[writer_key(number)] == at);
      REQUIRE(e->status().head == static_cast<revision>(kept.size()));
      REQUIRE(verify(on, *e).ok());
    }
    CHECK(acknowledged.size() > 1'000);
  });
}

TEST_CASE("a killed process loses relaxed writes only, only the newest, and no revision is used twice") {
  over_disks([](rig& on) {
    rng chance(3);
    std::map<revision, std::uint64_t> acknowledged;  // Over all rounds: a revision given twice would be noticed.
    revision highest = 0;
    for (std::uint64_t round = 0; round < 10; ++round) {
      for (const auto& one : write_and_die(on, round * 1'000'000, true, 100 + chance.below(2'500))) {
        REQUIRE(acknowledged.emplace(one.at, one.number).second);
        highest = std::max(highest, one.at);
      }
      auto e = on.open();
      auto kept = kept_keys(on, *e);
      revision first_lost = 0;
      for (const auto& [at, number] : acknowledged) {
        if (kept.contains(writer_key(number))) {
          REQUIRE(kept[writer_key(number)] == at);
          REQUIRE(first_lost == 0);  // Nothing newer is there when something older is not.
        } else {
          REQUIRE(is_relaxed(number));
          if (first_lost == 0) first_lost = at;
        }
      }
      REQUIRE(e->status().head >= highest);
      if (first_lost != 0 && highest < e->status().head) {
        REQUIRE(changes(on, *e, highest).code() == errc::gone);
        REQUIRE(range(on, *e, {{}, {}, highest, 0}).code() == errc::gone);
      }
      for (auto at = acknowledged.lower_bound(first_lost == 0 ? INT64_MAX : first_lost); at != acknowledged.end();)
        at = acknowledged.erase(at);
      const auto fresh = commit_one(on, *e, create(numbered("/r/", round), "x"));
      REQUIRE(fresh.at > highest);
      REQUIRE(verify(on, *e).ok());
    }
    CHECK(acknowledged.size() > 1'000);
  });
}

TEST_CASE("clients that compare and swap the same keys at once see one order of writes") {
  using harness = troupe::testing::history_entry;
  over_all([](rig& on) {
    auto e = on.open();
    constexpr int clients = 8, rounds = 120;
    std::vector<harness> history;
    std::mutex guard;
    std::int64_t clock = 0;
    const auto tick = [&] {
      const std::lock_guard hold(guard);
      return ++clock;
    };
    rng chance(17);
    std::map<std::string, revision> seen;  // What the clients believe, mostly true.
    for (int round = 0; round < rounds; ++round) {
      std::vector<answer<committed_batch>> writes(clients);
      std::vector<answer<result<page>>> reads(clients);
      std::vector<harness> asked(clients);
      std::vector<std::int64_t> ends(clients);
      for (std::size_t c = 0; c < clients; ++c) {  // All are in flight before the first is waited for.
        auto& one = asked[c];
        one.client = std::to_string(c);
        one.key = numbered("key", chance.below(2));
        one.what = static_cast<harness::kind>(chance.below(4));
        one.expected = seen[one.key];
        if (one.what == harness::kind::update && one.expected == 0) one.what = harness::kind::create;
        if (one.what == harness::kind::create) one.expected = 0;
        one.start = tick();
        if (one.what == harness::kind::read) {
          one.expected = 0;
          e->range({one.key, after_prefix(one.key), 0, 0}, [&, c, then = reads[c].take()](result<page> got) {
            ends[c] = tick();
            then(std::move(got));
          });
          continue;
        }
        std::vector<operation> batch;
        if (one.what != harness::kind::erase) one.value = numbered("v", round * clients + static_cast<int>(c));
        batch.push_back(one.what == harness::kind::create   ? create(one.key, one.value)
                        : one.what == harness::kind::update ? update(one.key, one.value, one.expected)
                                                            : erase(one.key, one.expected));
        batch[0].relaxed = chance.chance(50);
        e->commit(std::move(batch), [&, c, then = writes[c].take()](committed_batch out) {
          ends[c] = tick();
          then(std::move(out));
        });
      }
      for (std::size_t c = 0; c < clients; ++c) {
        auto& one = asked[c];
        one.outcome = harness::said::committed;
        if (one.what == harness::kind::read) {
          const auto got = reads[c].get(on);
          REQUIRE(got.ok());
          if (!got->records.empty()) one.revision = got->records[0].modified, one.value = got->records[0].value.str();
        } else {
          const auto said = writes[c].get(on).outcomes.at(0);
          REQUIRE((said.what == outcome::kind::committed || said.what == outcome::kind::conflict));
          one.revision = said.at;
          if (said.what == outcome::kind::conflict) {
            one.outcome = harness::said::conflict;
            one.revision = said.present ? said.present->modified : 0;
            one.value = said.present ? said.present->value.str() : "";
          }
        }
        one.end = ends[c];
        if (one.outcome == harness::said::committed && one.what != harness::kind::read)
          seen[one.key] = one.what == harness::kind::erase ? 0 : one.revision;
        history.push_back(one);
      }
    }
    const auto wrong = troupe::testing::violations(history);
    INFO((wrong.empty() ? std::string() : wrong.front()));
    CHECK(wrong.empty());
    CHECK(history.size() == clients * rounds);
  });
}
