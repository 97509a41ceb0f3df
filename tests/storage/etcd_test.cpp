// The etcd engine against one real etcd.
#include "tests/storage/etcd_stage.hpp"



using namespace troupe;
using namespace troupe::storage;
using namespace troupe::storage::testing;

TEST_CASE("nothing of gRPC runs before an etcd is opened, and opening does not wait") {
  etcd_access nowhere;
  nowhere.endpoints = {"http://127.0.0.1:1"};
  auto opened = open_etcd(config_for(nowhere));
  REQUIRE(opened.ok());
  CHECK((*opened)->shared());
  CHECK((*opened)->status().now == standing::leaderless);
  threaded here;
  const auto said = commit_one(here, **opened, create("/registry/a", "1"));
  CHECK(said.what == outcome::kind::unavailable);
  CHECK(said.note.find("127.0.0.1:1") != std::string::npos);
  CHECK(range(here, **opened, {}).code() == errc::unavailable);
  CHECK(changes(here, **opened, 0).code() == errc::unavailable);
}
TEST_CASE("endpoints that cannot be read are refused by name") {
  for (const char* bad : {"", "127.0.0.1:2379", "ftp://a:1", "http://", "http://a", "http://a:b", "http://a:1/b", "https://a:1"}) {
    etcd_access access;
    access.endpoints = {bad};
    const auto opened = open_etcd(config_for(access));
    REQUIRE_FALSE(opened.ok());
    CHECK(opened.code() == errc::invalid);
    CHECK(opened.why().note.find(bad) != std::string::npos);
    CHECK(open_cluster(access).code() == errc::invalid);
  }
  CHECK(open_etcd(config_for({})).code() == errc::invalid);
}
