#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/stat.h>

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
