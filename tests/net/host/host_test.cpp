#include <doctest/doctest.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basis/bytes.hpp"
#include "basis/ids.hpp"
#include "net/host/real.hpp"

using namespace troupe;
using namespace troupe::net;

TEST_CASE("real files are replaced whole, created once, and keep their mode") {
  char name[] = "/tmp/troupe-files-XXXXXX";
  REQUIRE(::mkdtemp(name) != nullptr);
  const std::string at = name;
  const auto files = real::make_files();
  CHECK(files->read(at + "/none").code() == errc::not_found);
  REQUIRE(files->write(at + "/a/b/c", "one", 0600).ok());
  REQUIRE(files->write(at + "/a/b/c", "two", 0640).ok());
  CHECK(*files->read(at + "/a/b/c") == "two");
  struct stat seen {};
  REQUIRE(::stat((at + "/a/b/c").c_str(), &seen) == 0);
  CHECK((seen.st_mode & 0777) == 0640);
  CHECK(files->create(at + "/a/b/c", "three", 0600).code() == errc::already_exists);
  CHECK(*files->read(at + "/a/b/c") == "two");
  CHECK(files->create(at + "/a/new", std::string("x\0y", 3), 0600).ok());
  CHECK(files->read(at + "/a/new")->size() == 3);
  CHECK(files->link("c", at + "/a/b/link").ok());
  CHECK(files->link("c", at + "/a/b/link").ok());
  CHECK(*files->read(at + "/a/b/link") == "two");
  CHECK(files->make_folder(at + "/deep/er", 0700).ok());
  CHECK(files->exists(at + "/deep/er"));
  CHECK(files->make_folder(at + "/a/new/er", 0700).code() == errc::already_exists);
  for (auto path : {"/a/b/link", "/a/b/c", "/a/b", "/a/new", "/a", "/deep/er", "/deep", "/absent", ""})
    CHECK(files->remove(at + path).ok());
  CHECK_FALSE(files->exists(at));
}

TEST_CASE("the machine knows its name, its size and an address") {
  const auto facts = real::make_machine()->facts("/");
  CHECK_FALSE(facts.hostname.empty());
  CHECK_FALSE(facts.kernel.empty());
  CHECK_FALSE(facts.os_image.empty());
  CHECK(is_ip_address(facts.default_address));
  CHECK(facts.cpus >= 1);
  CHECK(facts.memory_bytes > 1024 * 1024);
  CHECK(facts.disk_bytes >= facts.disk_free_bytes);
  CHECK(facts.disk_bytes > 0);
}

TEST_CASE("real trees are listed, copied whole or not at all, digested as sha256sum does, and removed") {
  char name[] = "/tmp/troupe-trees-XXXXXX";
  REQUIRE(::mkdtemp(name) != nullptr);
  const std::string at = name;
  const auto files = real::make_files();
  CHECK(files->list(at + "/none").code() == errc::not_found);
  REQUIRE(files->write(at + "/tree/b", "two", 0600).ok());
  REQUIRE(files->write(at + "/tree/deep/a", "one!", 0600).ok());
  REQUIRE(files->write(at + "/tree/c", std::string(600'000, 'x'), 0600).ok());
  const auto seen = files->list(at + "/tree");
  REQUIRE(seen.ok());
  REQUIRE(seen->size() == 3);
  CHECK((*seen)[0].name == "b");
  CHECK((*seen)[0].bytes == 3);
  CHECK((*seen)[2].folder);
  CHECK((*seen)[2].bytes == 4);
  REQUIRE(files->copy(at + "/tree", at + "/copy").ok());
  CHECK(*files->read(at + "/copy/deep/a") == "one!");
  CHECK(files->copy(at + "/tree", at + "/copy").code() == errc::already_exists);
  CHECK(files->copy(at + "/none", at + "/other").code() == errc::not_found);
  CHECK(!files->exists(at + "/other"));
  CHECK(*files->sha256(at + "/copy") == *files->sha256(at + "/tree"));
  CHECK(to_hex(*files->sha256(at + "/tree/b")) == "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3");
  REQUIRE(files->write(at + "/copy/deep/a", "One!", 0600).ok());
  CHECK(*files->sha256(at + "/copy") != *files->sha256(at + "/tree"));
  CHECK(!files->in_use(at + "/tree/b"));
  const int held = ::open((at + "/tree/b").c_str(), O_RDONLY | O_CLOEXEC);
  REQUIRE(::flock(held, LOCK_EX) == 0);
  CHECK(files->in_use(at + "/tree/b"));
  ::close(held);
  CHECK(!files->in_use(at + "/tree/b"));
  const int writer = ::open((at + "/tree/b").c_str(), O_RDWR | O_CLOEXEC);
  struct flock range {};
  range.l_type = F_WRLCK;
  range.l_start = 1;
  range.l_len = 1;
  REQUIRE(::fcntl(writer, F_OFD_SETLK, &range) == 0);   // counts as another's, whoever asks
  CHECK(files->in_use(at + "/tree/b"));
  ::close(writer);
  CHECK(files->remove_tree(at).ok());
  CHECK(files->remove_tree(at).ok());
  CHECK(!files->exists(at));
}
