// What only a file can go wrong with: death, power, noise, strangers, full and broken disks.
#include <doctest/doctest.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

#include "storage/sqlite/sqlite.hpp"
#include "tests/storage/breakable_vfs.hpp"
#include "tests/storage/rig.hpp"

using namespace troupe;
using namespace troupe::storage;
using namespace troupe::storage::testing;
namespace fs = std::filesystem;

namespace {
struct no_pump final : rig {
  std::string name() const override { return "sqlite"; }
  std::unique_ptr<engine> open(retention) override { return nullptr; }
  std::unique_ptr<engine> open_copy() override { return nullptr; }
  std::string path() const override { return {}; }
} on;

sqlite_config config_at(const std::string& path, const char* vfs = "") {
  sqlite_config out;
  out.path = path;
  out.vfs = vfs;
  return out;
}
std::unique_ptr<engine> open_at(const std::string& path, const char* vfs = "") {
  auto opened = open_sqlite(config_at(path, vfs));
  REQUIRE_MESSAGE(opened.ok(), (opened.ok() ? std::string() : opened.why().text()));
  return std::move(*opened);
}

/// Everything in the folder: names, sizes, bytes.
std::map<std::string, std::string> contents(const std::string& folder) {
  std::map<std::string, std::string> out;
  for (const auto& one : fs::directory_iterator(folder)) out[one.path().filename()] = read_file(one.path());
  return out;
}

/// A closed file with `count` keys, some updated, some erased.
void fill(const std::string& path, int count, std::size_t value_size = 600) {
  auto e = open_at(path);
  std::vector<operation> batch;
  for (int i = 0; i < count; ++i) batch.push_back(create(numbered("/key/", i), std::string(value_size, static_cast<char>('a' + i % 26))));
  commit(on, *e, std::move(batch));
  commit(on, *e, {update("/key/1", "changed", 2), erase("/key/2")});
}

void check_refused(const scratch_folder& folder, errc code, const std::string& word) {
  const auto before = contents(folder.path());
  const auto opened = open_sqlite(config_at(folder / "db"));
  REQUIRE_FALSE(opened.ok());
  CHECK_MESSAGE(opened.code() == code, opened.why().text());
  CHECK_MESSAGE(opened.why().note.find(folder / "db") != std::string::npos, opened.why().note);
  CHECK_MESSAGE(opened.why().note.find(word) != std::string::npos, opened.why().note);
  CHECK(contents(folder.path()) == before);
}

void run_raw(const std::string& path, const char* sql) {
  sqlite3* raw = nullptr;
  REQUIRE(sqlite3_open(path.c_str(), &raw) == SQLITE_OK);
  CHECK(sqlite3_exec(raw, sql, nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(raw);
}

/// Runs `body` in a child and answers its exit code. The child must not use the test framework.
template <class Body>
int in_child(Body body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int state = 0;
  ::waitpid(child, &state, 0);
  return WIFEXITED(state) ? WEXITSTATUS(state) : -1;
}

/// Keeps `flying` creations of unused keys in flight; each acknowledged one is handed to `acknowledged`.
class steady_writer {
 public:
  steady_writer(engine& e, std::uint64_t first, std::function<void(std::uint64_t, revision)> acknowledged)
      : engine_(e), next_(first), acknowledged_(std::move(acknowledged)) {}
  void next() {
    const auto number = next_++;
    std::vector<operation> batch;
    batch.push_back(create(numbered("/k/", number), std::string(200 + number * 37 % 1500, static_cast<char>('a' + number % 26))));
    engine_.commit(std::move(batch), [this, number](committed_batch out) {
      const auto& said = out.outcomes.at(0);
      if (said.what != outcome::kind::committed) return;
      acknowledged_(number, said.at);
      if (!stop_) next();
    });
  }
  std::atomic<bool> stop_ = false;

 private:
  engine& engine_;
  std::atomic<std::uint64_t> next_;
  std::function<void(std::uint64_t, revision)> acknowledged_;
};
}  // namespace

TEST_CASE("a new file is private, ours by its header, and in the promised format") {
  const scratch_folder folder;
  { auto e = open_at(folder / "db"); }
  struct stat seen {};
  REQUIRE(::stat((folder / "db").c_str(), &seen) == 0);
  CHECK((seen.st_mode & 0777) == 0600);
  CHECK(contents(folder.path()).size() == 1);
  sqlite3* raw = nullptr;
  REQUIRE(sqlite3_open((folder / "db").c_str(), &raw) == SQLITE_OK);
  const auto ask = [&](const char* sql) {
    std::string out;
    sqlite3_exec(raw, sql, [](void* to, int, char** values, char**) {
      *static_cast<std::string*>(to) = values[0];
      return 0;
    }, &out, nullptr);
    return out;
  };
  CHECK(ask("PRAGMA application_id") == std::to_string(0x54525045));
  CHECK(ask("PRAGMA user_version") == "1");
  CHECK(ask("PRAGMA page_size") == "4096");
  CHECK(ask("PRAGMA auto_vacuum") == "2");
  CHECK(ask("PRAGMA journal_mode") == "wal");
  sqlite3_close(raw);
}

TEST_CASE("a damaged or foreign file is refused with words, and nothing on disk is touched") {
  const scratch_folder folder;
  const auto path = folder / "db";
  fill(path, 60);
  const auto whole = read_file(path);
  REQUIRE(whole.size() > 30'000);
  SUBCASE("cut in the middle of the file") {
    write_file(path, whole.substr(0, 5 * 4096));
    check_refused(folder, errc::corrupt, "truncated");
  }
  SUBCASE("cut to less than a page") {
    write_file(path, whole.substr(0, 100));
    check_refused(folder, errc::corrupt, "truncated");
  }
  SUBCASE("empty") {
    write_file(path, "");
    check_refused(folder, errc::corrupt, "truncated");
  }
  SUBCASE("noise from the first byte") {
    rng chance(5);
    std::string noise(whole.size(), '\0');
    for (auto& c : noise) c = static_cast<char>(chance.below(256));
    write_file(path, noise);
    check_refused(folder, errc::corrupt, "restore a backup");
  }
  SUBCASE("noise behind the header") {
    rng chance(6);
    auto noise = whole;
    for (std::size_t i = 2 * 4096; i < noise.size(); ++i) noise[i] = static_cast<char>(chance.below(256));
    write_file(path, noise);
    check_refused(folder, errc::corrupt, "restore a backup");
  }
  SUBCASE("one row is missing") {
    run_raw(path, "DELETE FROM log WHERE rev=7");
    check_refused(folder, errc::corrupt, "missing");
  }
  SUBCASE("the last row is missing") {
    {
      auto e = open_at(path);
      CHECK(e->status().head == 62);
    }
    run_raw(path, "DELETE FROM log WHERE rev=62");
    auto e = open_at(path);  // Indistinguishable from a write that was never made: head_rev was not yet stored.
    CHECK(e->status().head == 61);
  }
  SUBCASE("the table is gone") {
    run_raw(path, "DROP TABLE log");
    check_refused(folder, errc::corrupt, "restore a backup");
  }
  SUBCASE("a number in meta was altered") {
    run_raw(path, "UPDATE meta SET v=99 WHERE k='compact_rev'");
    check_refused(folder, errc::corrupt, "checksum");
  }
  SUBCASE("a key was altered") {
    run_raw(path, "UPDATE log SET key=CAST('/key/x' AS BLOB) WHERE rev=9");
    check_refused(folder, errc::corrupt, "revision 9");
  }
  SUBCASE("another application's database") {
    run_raw(path, "PRAGMA application_id=7");
    check_refused(folder, errc::unsupported, "another application");
  }
  SUBCASE("a newer format") {
    run_raw(path, "PRAGMA user_version=2");
    check_refused(folder, errc::unsupported, "newer build");
  }
  SUBCASE("a folder where the file should be") {
    fs::remove(path);
    fs::create_directory(path);
    const auto opened = open_sqlite(config_at(path));
    REQUIRE_FALSE(opened.ok());
    CHECK(opened.code() == errc::unsupported);
    CHECK(opened.why().note.find(path) != std::string::npos);
  }
  fs::remove_all(path);
  write_file(path, whole);
  auto e = open_at(path);
  CHECK(e->status().keys == 59);
}

TEST_CASE("one flipped bit anywhere in the file is noticed, or changes nothing that anybody reads") {
  const scratch_folder folder;
  const auto path = folder / "db";
  fill(path, 12, 900);
  const auto whole = read_file(path);
  std::string expected;
  {
    auto e = open_at(path);
    expected = told(range(on, *e, {})) + told(range(on, *e, {{}, {}, 5, 0}));
  }
  rng chance(21);
  int noticed = 0;
  for (int i = 0; i < 250; ++i) {
    auto bent = whole;
    const auto at = chance.below(bent.size());
    bent[at] = static_cast<char>(bent[at] ^ (1 << chance.below(8)));
    for (const char* tail : {"", "-wal", "-shm"}) fs::remove(path + tail);
    write_file(path, bent);
    auto opened = open_sqlite(config_at(path));
    if (!opened) {
      ++noticed;
      continue;
    }
    const auto now = range(on, **opened, {}), then = range(on, **opened, {{}, {}, 5, 0});
    if (!now || !then || !verify(on, **opened)) ++noticed;
    else CHECK_MESSAGE(told(now) + told(then) == expected, "byte " << at);
  }
  CHECK(noticed > 80);  // Some 12 KB of the file are records.
}

TEST_CASE("a bit that flips in a value while we run is noticed by the next read, which names the key") {
  const scratch_folder folder;
  const auto path = folder / "db";
  {
    auto e = open_at(path);
    std::vector<operation> batch;
    for (int i = 0; i < 400; ++i) batch.push_back(create(numbered("/key/", 1000 + i), std::string(20'000, static_cast<char>('a' + i % 26))));
    commit(on, *e, std::move(batch));
  }
  auto e = open_at(path);
  auto bytes_now = read_file(path);
  const auto where = bytes_now.find(std::string(3000, 'a'));
  REQUIRE(where != std::string::npos);
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(where + 100));
    file.put('b');
  }
  const auto read = range(on, *e, {"/key/1000", "/key/1001", 0, 0});
  REQUIRE_FALSE(read.ok());
  CHECK(read.code() == errc::corrupt);
  CHECK(read.why().note.find("/key/1000") != std::string::npos);
  CHECK(verify(on, *e).code() == errc::corrupt);
  CHECK(range(on, *e, {"/key/1001", "/key/1002", 0, 0}).ok());
  CHECK(commit_one(on, *e, create("/key/1000", "x")).what == outcome::kind::unavailable);
  CHECK(commit_one(on, *e, update("/key/1000", "healed", 1)).what == outcome::kind::committed);
  CHECK(told(range(on, *e, {"/key/1000", "/key/1001", 0, 0})) == "/key/1000=healed@401/2 end");
}

TEST_CASE("a file held by somebody else is refused at once, in another process and in this one") {
  const scratch_folder folder;
  fill(folder / "db", 10);
  auto holder = open_at(folder / "db");
  check_refused(folder, errc::already_exists, "another process");
  const auto path = folder / "db";
  CHECK(in_child([&] {
    const auto opened = open_sqlite(config_at(path));
    return opened.ok() ? 99 : static_cast<int>(opened.code());
  }) == static_cast<int>(errc::already_exists));
  CHECK(commit_one(on, *holder, create("still", "mine")).what == outcome::kind::committed);
}

TEST_CASE("a folder that may not be written to, or is not there, is named") {
  const scratch_folder folder;
  const auto path = folder / "closed/db";
  const auto missing = open_sqlite(config_at(path));
  REQUIRE_FALSE(missing.ok());
  CHECK(missing.code() == errc::not_found);
  CHECK(missing.why().note.find(path) != std::string::npos);
  fs::create_directory(folder / "closed");
  ::chmod(folder.path().c_str(), 0755);
  const auto try_as_nobody = [&] {
    return in_child([&] {
      if (::geteuid() == 0 && (::setegid(65534) != 0 || ::seteuid(65534) != 0)) return 98;
      const auto opened = open_sqlite(config_at(path));
      return opened.ok() ? 99 : static_cast<int>(opened.code());
    });
  };
  ::chmod((folder / "closed").c_str(), 0555);
  CHECK(try_as_nobody() == static_cast<int>(errc::forbidden));
  ::chmod((folder / "closed").c_str(), 0755);
  fill(path, 10);
  ::chmod(path.c_str(), 0444);
  ::chmod((folder / "closed").c_str(), 0555);
  const auto before = contents(folder / "closed");
  CHECK(try_as_nobody() == static_cast<int>(errc::forbidden));
  CHECK(contents(folder / "closed") == before);
  ::chmod((folder / "closed").c_str(), 0755);
}

TEST_CASE("no acknowledged write is lost when the process is killed at any moment") {
  const scratch_folder folder;
  const auto path = folder / "db";
  rng chance(1);
  std::map<std::uint64_t, revision> acknowledged;
  struct note {
    std::uint64_t number;
    revision at;
  };
  for (std::uint64_t round = 0; round < 12; ++round) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const pid_t child = ::fork();
    if (child == 0) {
      ::close(ends[0]);
      auto opened = open_sqlite(config_at(path));
      if (!opened) ::_exit(1);
      steady_writer writer(**opened, round * 1'000'000, [&](std::uint64_t number, revision at) {
        const note said{number, at};
        if (::write(ends[1], &said, sizeof said) != sizeof said) ::_exit(2);
      });
      for (int i = 0; i < 32; ++i) writer.next();
      for (;;) ::pause();
    }
    ::close(ends[1]);
    const auto enough = 1 + chance.below(1500);
    note said{};
    for (std::uint64_t seen = 0; ::read(ends[0], &said, sizeof said) == sizeof said;) {
      acknowledged[said.number] = said.at;
      if (++seen == enough) ::kill(child, SIGKILL);
    }
    ::close(ends[0]);
    int state = 0;
    ::waitpid(child, &state, 0);
    REQUIRE(WIFSIGNALED(state));
    REQUIRE(WTERMSIG(state) == SIGKILL);
    auto e = open_at(path);
    const auto all = range(on, *e, {});
    REQUIRE(all.ok());
    std::map<std::string, revision> kept;
    for (const auto& one : all->records) kept[one.key] = one.modified;
    for (const auto& [number, at] : acknowledged) REQUIRE(kept[numbered("/k/", number)] == at);
    REQUIRE(verify(on, *e).ok());
  }
  CHECK(acknowledged.size() > 1'000);
}

TEST_CASE("no acknowledged write is lost when the power goes at any moment") {
  const scratch_folder folder;
  auto& disk = breakable_disk::get();
  disk.restart();
  const auto path = folder / "db";
  rng chance(2);
  std::map<std::uint64_t, revision> acknowledged;
  for (std::uint64_t round = 0; round < 25; ++round) {
    auto e = open_at(path, breakable_disk::vfs_name);
    std::mutex guard;
    steady_writer writer(*e, round * 1'000'000, [&](std::uint64_t number, revision at) {
      const std::lock_guard hold(guard);
      acknowledged[number] = at;
    });
    disk.cut_power_after(1 + chance.below(3000), chance.fork(std::to_string(round)));
    answer<int> fell;
    e->on_standing([take = fell.take()] { take(0); });
    for (int i = 0; i < 16; ++i) writer.next();
    fell.get(on);
    CHECK(e->status().now == standing::closed);
    e.reset();
    REQUIRE(disk.is_cut());
    disk.settle();
    e = open_at(path, breakable_disk::vfs_name);
    const auto all = range(on, *e, {});
    REQUIRE(all.ok());
    std::map<std::string, revision> kept;
    for (const auto& one : all->records) kept[one.key] = one.modified;
    for (const auto& [number, at] : acknowledged) REQUIRE(kept[numbered("/k/", number)] == at);
    REQUIRE(verify(on, *e).ok());
  }
  CHECK(acknowledged.size() > 5'000);
}

TEST_CASE("a disk that is full or fails to sync closes the engine, and what was acknowledged is there afterwards") {
  const scratch_folder folder;
  auto& disk = breakable_disk::get();
  disk.restart();
  const auto path = folder / "db";
  {
    auto e = open_at(path, breakable_disk::vfs_name);
    commit(on, *e, {create("kept", "1")});
    int woken = 0;
    e->on_standing([&woken] { ++woken; });
    std::vector<operation> batch;
    batch.push_back(create("lost", "2"));
    SUBCASE("full") {
      disk.fill_up(true);
      const auto said = commit(on, *e, std::move(batch)).outcomes.at(0);
      CHECK((said.what == outcome::kind::outcome_unknown || said.what == outcome::kind::unavailable));
      CHECK(said.note.find("full") != std::string::npos);
    }
    SUBCASE("full before the commit, by more than the page cache holds") {
      disk.fill_up(true);
      batch.clear();
      for (int i = 0; i < 4; ++i) batch.push_back(create(numbered("large", i), std::string(1'400'000, 'x')));
      for (const auto& said : commit(on, *e, std::move(batch)).outcomes) CHECK(said.what == outcome::kind::unavailable);
    }
    SUBCASE("the log cannot be synced") {
      disk.fail_syncs("-wal");
      const auto out = commit(on, *e, std::move(batch));
      CHECK(out.outcomes.at(0).what == outcome::kind::outcome_unknown);
      CHECK(out.changes.empty());
      CHECK(out.head == 1);
    }
    SUBCASE("the file cannot be synced while the log is copied back") {
      disk.fail_syncs("db");
      std::vector<operation> many;
      for (int i = 0; i < 400; ++i) many.push_back(create(numbered("many", i), std::string(12'000, 'x')));
      for (const auto& said : commit(on, *e, std::move(many)).outcomes) CHECK(said.what == outcome::kind::committed);
      while (e->status().now != standing::closed) std::this_thread::yield();  // The copying follows the answers.
    }
    disk.fill_up(false);
    disk.fail_syncs("");
    CHECK(commit_one(on, *e, create("later", "3")).what == outcome::kind::unavailable);
    CHECK(range(on, *e, {}).code() == errc::closed);
    CHECK(changes(on, *e, 0).code() == errc::closed);
    CHECK(compact(on, *e, 1).ok() == false);
    CHECK(verify(on, *e).ok() == false);
    CHECK(e->status().now == standing::closed);
    CHECK(woken == 1);
  }
  disk.restart();
  auto e = open_at(path, breakable_disk::vfs_name);
  CHECK(told(range(on, *e, {"kept", "kept0", 0, 0})) == "kept=1@1/1 end");
  CHECK(told(range(on, *e, {"later", "later0", 0, 0})) == "end");
  CHECK((e->status().keys <= 2 || e->status().keys == 401));
  CHECK(verify(on, *e).ok());
}

TEST_CASE("more in flight than allowed is overloaded, in its turn, and never the only batch") {
  const scratch_folder folder;
  auto config = config_at(folder / "db");
  config.in_flight_operations_max = 512;
  auto opened = open_sqlite(config);
  REQUIRE(opened.ok());
  auto& e = **opened;
  int committed = 0, overloaded = 0;
  std::vector<answer<committed_batch>> last(1);
  for (int i = 0; i < 100; ++i) {
    std::vector<operation> batch;
    for (int k = 0; k < 100; ++k) batch.push_back(create(numbered("k", i * 100 + k), "v"));
    e.commit(std::move(batch), [&, then = i == 99 ? last[0].take() : nullptr](committed_batch out) {
      for (const auto& one : out.outcomes) (one.what == outcome::kind::overloaded ? overloaded : committed) += 1;
      if (then) then(std::move(out));
    });
  }
  last[0].get(on);
  CHECK(committed + overloaded == 10'000);
  CHECK(committed >= 500);
  CHECK(overloaded > 0);
  CHECK(e.status().head == committed);
  CHECK(commit_one(on, e, create("large", std::string(value_bytes_max, 'x'))).what == outcome::kind::committed);
}

TEST_CASE("history that is let go is purged with commits and while idle, and the file shrinks") {
  auto holder = make_sqlite_rig();
  auto e = holder->open({.kept_revisions_min = 0});
  std::vector<revision> at(100);
  for (int round = 0; round < 60; ++round) {
    std::vector<operation> batch;
    for (std::size_t k = 0; k < at.size(); ++k) {
      const auto key = numbered("key", k);
      batch.push_back(round == 0 ? create(key, std::string(1500, 'x')) : update(key, std::string(1500, 'x'), at[k]));
    }
    const auto out = commit(*holder, *e, std::move(batch));
    for (std::size_t k = 0; k < at.size(); ++k) at[k] = out.outcomes.at(k).at;
  }
  const auto before = e->status().file_bytes;
  REQUIRE(before > 8'000'000);
  REQUIRE(compact(*holder, *e, e->status().head).ok());
  while (e->status().file_bytes > before / 2) std::this_thread::yield();  // It goes on by itself while idle.
  e.reset();
  e = holder->open({.kept_revisions_min = 0});
  CHECK(e->status().file_bytes < 1'000'000);
  CHECK(e->status().keys == 100);
  CHECK(range(*holder, *e, {})->records.size() == 100);
  CHECK(verify(*holder, *e).ok());
}

TEST_CASE("reads, a copy and commits in flight together disturb neither one another nor their answers") {
  const scratch_folder folder;
  auto opened = open_sqlite(config_at(folder / "db"));
  REQUIRE(opened.ok());
  auto& e = **opened;
  for (int round = 0; round < 10; ++round) {
    std::vector<operation> batch;
    for (int k = 0; k < 400; ++k) batch.push_back(create(numbered("key", 10'000 + round * 400 + k), std::string(1000, 'x')));
    commit(on, e, std::move(batch));
  }
  std::atomic<int> acknowledged = 0;
  steady_writer writer(e, 0, [&](std::uint64_t, revision) { ++acknowledged; });
  for (int i = 0; i < 8; ++i) writer.next();
  answer<result<page>> listed;
  answer<result<std::vector<change>>> followed;
  answer<result<void>> copied, verified;
  e.range({"key", "kez", 0, 0}, listed.take());
  e.changes_after(0, 4'000, followed.take());
  e.backup(folder / "copy", copied.take());
  e.verify(verified.take());
  const auto all = listed.get(on);
  REQUIRE(all.ok());
  CHECK(all->records.size() == 4'000);
  CHECK(followed.get(on)->size() == 4'000);
  CHECK(copied.get(on).ok());
  CHECK(verified.get(on).ok());
  writer.stop_ = true;
  opened = fail(errc::closed);
  CHECK(acknowledged > 8);
  struct stat seen {};
  REQUIRE(::stat((folder / "copy").c_str(), &seen) == 0);
  CHECK((seen.st_mode & 0777) == 0600);
  auto copy = open_at(folder / "copy");
  CHECK(copy->status().keys >= 4'000);
  CHECK(verify(on, *copy).ok());
}

TEST_CASE("a configuration that cannot work is refused in words") {
  CHECK(open_sqlite({}).code() == errc::invalid);
  sqlite_config config = config_at("x");
  CHECK(problems(config).empty());
  config.in_flight_operations_max = 1;
  config.in_flight_bytes_max = 1;
  CHECK(problems(config).size() == 2);
}
