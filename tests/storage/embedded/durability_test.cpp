// What every engine on a disk keeps when its process dies.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <thread>

#include "basis/rng.hpp"
#include "tests/storage/rig.hpp"
#include "tests/storage/embedded/writer.hpp"

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
