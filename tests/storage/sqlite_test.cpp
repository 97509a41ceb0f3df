// What only a file can suffer: noise, strangers, a second owner; and how the engine shares its thread.
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "basis/rng.hpp"
#include "tests/storage/sqlite_stage.hpp"

using namespace troupe;
using namespace troupe::storage;
using namespace troupe::storage::testing;
namespace fs = std::filesystem;

namespace {
no_pump on;

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
