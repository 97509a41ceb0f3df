#include "net/host/claim.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "net/host/real.hpp"

using namespace troupe;
using namespace troupe::net;

namespace {
struct scratch {
  scratch() {
    std::string pattern = "/tmp/troupe-claim-XXXXXX";
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    path = pattern;
  }
  ~scratch() { (void)real::make_files()->remove_tree(path); }
  std::string path;
};
}  // namespace

TEST_CASE("a data directory is one process's: the next one is told whose, and may have it once that is gone") {
  const scratch at;
  const auto folder = at.path + "/deep/data";
  {
    const auto first = claim_folder(folder, "server", wall_time{});
    REQUIRE(first.ok());
    const auto second = claim_folder(folder, "agent", wall_time{});
    CHECK(second.code() == errc::already_exists);
    CHECK(second.why().note == "the data directory " + folder + " is in use by process " + std::to_string(getpid()) +
                                   " (troupe server, since 1970-01-01T00:00:00Z): stop that first, or choose another directory with --data-dir");
  }
  CHECK(claim_folder(folder, "agent", wall_time{}).ok());
}

TEST_CASE("a claim dies with its process, and is not kept by the children of one that was killed") {
  const scratch at;
  int ready[2];
  REQUIRE(pipe2(ready, O_CLOEXEC) == 0);
  const pid_t holder = fork();
  REQUIRE(holder >= 0);
  if (holder == 0) {
    const auto mine = claim_folder(at.path, "server", wall_time{});
    if (!mine.ok()) _exit(1);
    int runs[2];
    if (pipe2(runs, O_CLOEXEC) != 0) _exit(1);
    const pid_t child = fork();
    if (child == 0) execlp("sleep", "sleep", "600", nullptr);
    // The pipe ends where the child's own program begins, which has nothing of ours.
    close(runs[1]);
    char none = 0;
    (void)!read(runs[0], &none, 1);
    (void)!write(ready[1], &child, sizeof child);
    pause();
  }
  pid_t child = 0;
  REQUIRE(read(ready[0], &child, sizeof child) == sizeof child);
  CHECK(claim_folder(at.path, "server", wall_time{}).code() == errc::already_exists);
  REQUIRE(kill(holder, SIGKILL) == 0);
  REQUIRE(waitpid(holder, nullptr, 0) == holder);
  CHECK(kill(child, 0) == 0);
  CHECK(claim_folder(at.path, "server", wall_time{}).ok());
  kill(child, SIGKILL);
  close(ready[0]);
  close(ready[1]);
}

TEST_CASE("a data directory that cannot be one is refused by its name, with the way out") {
  const scratch at;
  REQUIRE(real::make_files()->write(at.path + "/file", "x", 0600).ok());
  const auto refused = claim_folder(at.path + "/file", "server", wall_time{});
  REQUIRE(!refused.ok());
  CHECK(refused.why().note.find("the data directory " + at.path + "/file cannot be used: ") == 0);
  CHECK(refused.why().note.find("--data-dir") != std::string::npos);
}
