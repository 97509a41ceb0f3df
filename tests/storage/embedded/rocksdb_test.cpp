// What only a folder can suffer: strangers, a second owner, newer builds, lost and bent files.
#include "storage/rocksdb/rocksdb.hpp"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <map>

#include "basis/rng.hpp"
#include "tests/storage/sqlite_stage.hpp"

using namespace troupe;
using namespace troupe::storage;
using namespace troupe::storage::testing;
namespace fs = std::filesystem;

namespace {
no_pump on;

rocksdb_config folder_at(const std::string& path) {
  rocksdb_config out;
  out.path = path;
  return out;
}
std::unique_ptr<engine> open_folder(const std::string& path) {
  auto opened = open_rocksdb(folder_at(path));
  REQUIRE_MESSAGE(opened.ok(), (opened.ok() ? std::string() : opened.why().note));
  return std::move(*opened);
}
std::map<std::string, std::string> contents(const std::string& folder) {
  std::map<std::string, std::string> out;
  for (const auto& one : fs::directory_iterator(folder))  // Closing LOCK would give the lock of this process away.
    if (one.path().filename() != "LOCK") out[one.path().filename()] = read_file(one.path());
  return out;
}
/// A closed folder whose records stand in table files, and some in the write-ahead log.
void fill(const std::string& path) {
  auto config = folder_at(path);
  config.write_buffer_bytes = 64 * 1024;
  auto e = std::move(open_rocksdb(config)).value();
  rng chance(9);
  for (int round = 0; round < 20; ++round) {
    std::vector<operation> batch;
    for (int i = 0; i < 100; ++i) {
      std::string noise(600, '\0');
      for (auto& c : noise) c = static_cast<char>(chance.below(256));
      batch.push_back(create(numbered("/key/", round * 100 + i), noise));
    }
    commit(on, *e, std::move(batch));
  }
}
std::string some_file(const std::string& folder, const std::string& tail) {
  std::string out;
  for (const auto& one : fs::directory_iterator(folder))
    if (one.path().filename().string().ends_with(tail)) out = std::max(out, one.path().string());
  REQUIRE_FALSE(out.empty());
  return out;
}
/// The folder's path with everything in it restored after each trial.
template <class Bend>
void check_refused(const std::string& path, errc code, const std::string& word, Bend bend) {
  const auto kept = path + ".kept";
  fs::copy(path, kept, fs::copy_options::recursive);
  bend();
  const auto opened = open_rocksdb(folder_at(path));
  REQUIRE_FALSE(opened.ok());
  CHECK_MESSAGE(opened.code() == code, opened.why().text());
  CHECK_MESSAGE(opened.why().note.find(path) != std::string::npos, opened.why().note);
  CHECK_MESSAGE(opened.why().note.find(word) != std::string::npos, opened.why().note);
  fs::remove_all(path);
  fs::rename(kept, path);
}
}  // namespace

TEST_CASE("a new RocksDB folder is private, says whose it is, and nothing half-made is left beside it") {
  const scratch_folder folder;
  { auto e = open_folder(folder / "db"); }
  struct stat seen {};
  REQUIRE(::stat((folder / "db").c_str(), &seen) == 0);
  CHECK((seen.st_mode & 0777) == 0700);
  CHECK(read_file(folder / "db/TROUPE") == "troupe rocksdb format 1\n");
  CHECK(std::distance(fs::directory_iterator(folder.path()), {}) == 1);
  fs::create_directory(folder / "empty");
  auto e = open_folder(folder / "empty");
  CHECK(commit_one(on, *e, create("k", "v")).at == 1);
}

TEST_CASE("a strange, newer or occupied RocksDB folder is refused with words and left as it was") {
  const scratch_folder folder;
  const auto path = folder / "db";
  const auto refused = [&](errc code, const std::string& word, bool held = false) {
    const auto before = contents(path);
    const auto opened = open_rocksdb(folder_at(path));
    REQUIRE_FALSE(opened.ok());
    CHECK_MESSAGE(opened.code() == code, opened.why().text());
    CHECK_MESSAGE(opened.why().note.find(path) != std::string::npos, opened.why().note);
    CHECK_MESSAGE(opened.why().note.find(word) != std::string::npos, opened.why().note);
    // Who holds it tidies up behind its own opening.
    if (!held) CHECK(contents(path) == before);
  };
  fs::create_directory(path);
  write_file(path + "/photo.jpg", "x");
  refused(errc::unsupported, "another application");
  fs::remove_all(path);
  fill(path);
  write_file(path + "/TROUPE", "troupe rocksdb format 2\n");
  refused(errc::unsupported, "newer build");
  write_file(path + "/TROUPE", "noise");
  refused(errc::corrupt, "restore a backup");
  write_file(path + "/TROUPE", "troupe rocksdb format 1\n");
  {
    auto holder = open_folder(path);
    refused(errc::already_exists, "another process", true);
    const auto program = (fs::read_symlink("/proc/self/exe").parent_path() / "storage_writer").string();
    const pid_t child = ::fork();
    if (child == 0) {
      ::close(1);
      ::close(2);
      ::execl(program.c_str(), program.c_str(), "rocksdb", path.c_str(), "0", nullptr);
      ::_exit(4);
    }
    int state = 0;
    ::waitpid(child, &state, 0);
    CHECK(WIFEXITED(state));
    CHECK(WEXITSTATUS(state) == 1);
    CHECK(commit_one(on, *holder, create("still", "mine")).what == outcome::kind::committed);
  }
  CHECK(open_folder(path)->status().keys == 2'001);
  write_file(folder / "file", "x");
  CHECK(open_rocksdb(folder_at(folder / "file")).code() == errc::unsupported);
  CHECK(open_rocksdb(folder_at(folder / "no/such/folder")).code() == errc::not_found);
  CHECK(open_rocksdb({}).code() == errc::invalid);
}

TEST_CASE("a RocksDB folder with lost, cut or bent files is refused, and says what to do") {
  const scratch_folder folder;
  const auto path = folder / "db";
  fill(path);
  const auto cut_to_half = [](const std::string& file) { fs::resize_file(file, fs::file_size(file) / 2); };
  const auto bend = [](const std::string& file) {
    auto text = read_file(file);
    text[text.size() / 3] = static_cast<char>(text[text.size() / 3] ^ 0x10);
    write_file(file, text);
  };
  check_refused(path, errc::corrupt, "restore a backup", [&] { fs::remove(path + "/CURRENT"); });
  check_refused(path, errc::corrupt, "restore a backup", [&] { fs::remove(some_file(path, ".sst")); });
  check_refused(path, errc::corrupt, "restore a backup", [&] { cut_to_half(some_file(path, ".sst")); });
  check_refused(path, errc::corrupt, "restore a backup", [&] { bend(some_file(path, ".sst")); });
  check_refused(path, errc::corrupt, "restore a backup", [&] {
    for (const auto& one : fs::directory_iterator(path))
      if (one.path().filename().string().starts_with("MANIFEST")) fs::resize_file(one.path(), 10);
  });
  auto e = open_folder(path);
  CHECK(e->status().keys == 2'000);
  CHECK(verify(on, *e).ok());
}

TEST_CASE("a process that opens SQLite runs nothing of RocksDB") {
  const scratch_folder folder;
  const auto path = folder / "db";
  const auto program = (fs::read_symlink("/proc/self/exe").parent_path() / "storage_writer").string();
  const auto threads_with = [&](const char* kind) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const pid_t child = ::fork();
    if (child == 0) {
      ::dup2(ends[1], 1);
      ::execl(program.c_str(), program.c_str(), kind, (path + kind).c_str(), "0", nullptr);
      ::_exit(4);
    }
    ::close(ends[1]);
    acknowledgement first{};
    CHECK(::read(ends[0], &first, sizeof first) == sizeof first);
    const auto tasks = "/proc/" + std::to_string(child) + "/task";
    const auto count = std::distance(fs::directory_iterator(tasks), {});
    ::kill(child, SIGKILL);
    ::close(ends[0]);
    ::waitpid(child, nullptr, 0);
    return count;
  };
#ifdef __SANITIZE_THREAD__
  constexpr int expected = 3;          // Its own, the engine's and the sanitizer's.
#else
  constexpr int expected = 2;
#endif
  CHECK(threads_with("sqlite") == expected);
  CHECK(threads_with("rocksdb") > expected);  // The question can be asked.
}

TEST_CASE("history that is let go leaves a RocksDB folder small") {
  const scratch_folder folder;
  auto config = folder_at(folder / "db");
  config.kept.kept_revisions_min = 0;
  config.idle_wait = duration(0);
  auto e = std::move(open_rocksdb(config)).value();
  rng chance(4);
  std::vector<revision> at(50);
  std::uint64_t written = 0;
  for (int round = 0; round < 300; ++round) {
    std::vector<operation> batch;
    for (std::size_t k = 0; k < at.size(); ++k) {
      std::string noise(2'000, '\0');
      for (auto& c : noise) c = static_cast<char>(chance.below(256));
      written += noise.size();
      const auto key = numbered("key", k);
      batch.push_back(round == 0 ? create(key, noise) : update(key, noise, at[k]));
    }
    const auto out = commit(on, *e, std::move(batch));
    for (std::size_t k = 0; k < at.size(); ++k) at[k] = out.outcomes.at(k).at;
    if (round % 10 == 9) REQUIRE(compact(on, *e, e->status().head).ok());
  }
  REQUIRE(written > 29'000'000);
  CHECK(e->status().file_bytes < written / 2);
  CHECK(verify(on, *e).ok());
  e.reset();
  e = std::move(open_rocksdb(config)).value();
  CHECK(e->status().keys == 50);
  CHECK(range(on, *e, {})->records.size() == 50);
}
