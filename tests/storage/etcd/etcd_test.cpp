// The etcd engine against one real etcd: revisions, the feed, limits, certificates.
#include <grpcpp/create_channel.h>

#include <sys/stat.h>

#include "net/tls/openssl.hpp"
#include "storage/etcd/wire.hpp"
#include "tests/storage/etcd/etcd_stage.hpp"

using namespace troupe;
using namespace troupe::storage;
using namespace troupe::storage::testing;

namespace {
threaded here;

/// Somebody who writes to etcd beside us.
struct stranger {
  explicit stranger(const std::string& url)
      : kv(etcdserverpb::KV::NewStub(grpc::CreateChannel(url.substr(7), grpc::InsecureChannelCredentials()))) {}
  void put_all(const std::vector<std::string>& keys) {
    etcdserverpb::TxnRequest request;
    for (const auto& key : keys) {
      auto& put = *request.add_success()->mutable_request_put();
      put.set_key(key);
      put.set_value("foreign");
    }
    grpc::ClientContext context;
    etcdserverpb::TxnResponse said;
    REQUIRE(kv->Txn(&context, request, &said).ok());
  }
  std::unique_ptr<etcdserverpb::KV::Stub> kv;
};

result<revision> head_of(engine& e) {
  answer<result<revision>> out;
  e.read_head(out.take());
  return out.get(here);
}

/// Certificates for TLS tests, written to files as etcd wants them.
struct papers {
  std::unique_ptr<net::tls::issuer> issuer = net::tls::make_openssl_issuer();
  wall_time now = system_wall_clock().now();
  net::tls::identity ca = *issuer->make_ca("etcd-ca", now - 48h, net::tls::ca_validity);
  scratch_folder files;

  std::pair<std::string, std::string> leaf(net::tls::usage use, wall_time when, duration validity) {
    const auto key = issuer->make_key();
    net::tls::leaf_request ask;
    ask.common_name = "etcd";
    ask.addresses = {"127.0.0.1"};
    ask.use = use;
    ask.public_key = *issuer->public_key_of(key);
    return {*issuer->sign(ask, ca, when, validity), std::string(key.reveal())};
  }
  etcd_files server() {
    const auto [certificate, key] = leaf(net::tls::usage::both, now, 24h);
    write_file(files / "ca.pem", ca.certificates);
    write_file(files / "server.pem", certificate);
    write_file(files / "server.key", key);
    return {files / "ca.pem", files / "server.pem", files / "server.key"};
  }
};
}  // namespace

TEST_CASE("opening does not wait, and who cannot be reached is named") {
  etcd_access nowhere;
  nowhere.endpoints = {"http://127.0.0.1:1"};
  auto opened = open_etcd(config_for(nowhere));
  REQUIRE(opened.ok());
  CHECK((*opened)->shared());
  CHECK((*opened)->status().now == standing::leaderless);
  const auto said = commit_one(here, **opened, create("/registry/a", "1"));
  CHECK(said.what == outcome::kind::unavailable);
  CHECK(said.note.find("127.0.0.1:1") != std::string::npos);
  CHECK(range(here, **opened, {}).code() == errc::unavailable);
  CHECK(changes(here, **opened, 0).code() == errc::unavailable);
  CHECK(head_of(**opened).code() == errc::unavailable);
  CHECK(compact(here, **opened, 1).code() == errc::unavailable);
  CHECK(verify(here, **opened).code() == errc::unavailable);
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

TEST_CASE("one etcd: revisions, strangers, limits and copies") {
  const etcd_stage etcd;
  auto config = config_for(etcd.access());

  SUBCASE("every operation of a batch has a revision of its own, and closing answers all of them") {
    auto e = open_ready(config);
    const auto before = *head_of(*e);
    int committed = 0;
    std::vector<revision> revisions;
    for (int i = 0; i < 50; ++i) {
      std::vector<operation> batch{create(numbered("/registry/a", i), "v"), create(numbered("/registry/b", i), "v")};
      e->commit(std::move(batch), [&](committed_batch out) {
        for (const auto& one : out.outcomes) {
          committed += one.what == outcome::kind::committed;
          revisions.push_back(one.at);
        }
        CHECK(out.changes.empty());
      });
    }
    e.reset();
    CHECK(committed == 100);
    std::sort(revisions.begin(), revisions.end());
    REQUIRE(revisions.size() == 100);
    for (std::size_t i = 0; i < 100; ++i) CHECK(revisions[i] == before + 1 + static_cast<revision>(i));
    e = open_ready(config);
    CHECK(range(here, *e, {})->records.size() == 100);
  }
  SUBCASE("an offset moves every revision that is shown, for whoever opens later too") {
    auto first = open_etcd_engine(config);
    wait_ready(**first);
    const auto made = commit_one(here, **first, create("/registry/k", "1")).at;
    answer<result<void>> set;
    (*first)->set_revision_offset(1'000'000, set.take());
    REQUIRE(set.get(here).ok());
    CHECK(commit_one(here, **first, update("/registry/k", "x", made)).what == outcome::kind::conflict);
    for (const revision before_all : {revision(-5), revision(0), revision(1), revision(1'000'000)}) {
      CHECK(commit_one(here, **first, update("/registry/absent", "x", before_all)).what == outcome::kind::conflict);
    }
    CHECK(commit_one(here, **first, update("/registry/k", "2", made + 1'000'000)).what == outcome::kind::committed);
    first->reset();
    auto e = open_ready(config);
    const auto read = range(here, *e, {});
    CHECK(read->records.at(0).created == made + 1'000'000);
    CHECK(read->records.at(0).version == 2);
    CHECK(read->head == e->status().head);
    CHECK(range(here, *e, {{}, {}, made, 0}).code() == errc::gone);
    CHECK(changes(here, *e, made).code() == errc::gone);
    CHECK(e->status().floor == 1'000'000);
  }
  SUBCASE("changes of one revision stay together, private and foreign keys stay out, and a head can be waited for") {
    auto e = open_ready(config);
    stranger other(etcd[0].client_url);
    const auto began = *head_of(*e);
    REQUIRE(changes(here, *e, began)->empty());
    other.put_all({"/registry/x", "/registry/y", "/elsewhere/z", "/registry/z"});
    other.put_all({"/registry/y"});
    const auto seen = changes(here, *e, began, 2);   // Three belong to one revision.
    REQUIRE(seen->size() == 3);
    for (const auto& one : *seen) CHECK(one.at == began + 1);
    CHECK(seen->at(2).key == "/registry/z");
    const auto next = changes(here, *e, began + 1, 2);
    REQUIRE(next->size() == 1);
    CHECK(next->at(0).version == 2);
    other.put_all({"/elsewhere/z"});
    other.put_all({"troupe/fence"});
    CHECK(*head_of(*e) == began + 2);   // The newest that a change carries.
    CHECK(e->status().head >= began + 2);
    for (const char* bad : {"/elsewhere/a", "troupe/fence", "a"})
      CHECK(commit_one(here, *e, create(bad, "v")).what == outcome::kind::too_large);
    CHECK(commit_one(here, *e, erase("/registry/y")).at == began + 5);   // Although the fence was moved by somebody.
  }
  SUBCASE("a feed that is not read stops at its limit, and nothing is lost") {
    config.feed_bytes_max = 64 * 1024;
    auto slow = open_ready(config);
    auto fast = open_ready(config_for(etcd.access()));
    const auto began = *head_of(*slow);
    REQUIRE(changes(here, *slow, began)->empty());
    constexpr int total = 2'100;   // etcd tells a watch that fell behind of up to 1,000 revisions in one answer
    for (int from = 0; from < total; from += total / 6) {
      std::vector<operation> batch;
      for (int i = from; i < from + total / 6; ++i) batch.push_back(create(numbered("/registry/k", i), std::string(2'000, 'v')));
      answer<committed_batch> written;
      fast->commit(std::move(batch), written.take());
      for (const auto& one : written.get(here).outcomes) REQUIRE(one.what == outcome::kind::committed);
    }
    revision after = began;
    std::size_t most = 0;
    while (after < began + total) {
      answer<result<std::vector<change>>> said;
      slow->changes_after(after, 0, said.take());
      const auto some = said.get(here);
      REQUIRE(some.ok());
      most = std::max(most, some->size());
      for (const auto& one : *some) REQUIRE(one.at == ++after);
    }
    CHECK(most < total);   // not all at once: 4.2 MB against 64 KiB and one answer of etcd's
  }
  SUBCASE("pages, limits and old revisions: 1200 keys come whole, at one revision") {
    auto e = open_ready(config);
    for (int from = 0; from < 1'200; from += 400) {
      std::vector<operation> some;
      for (int i = from; i < from + 400; ++i) some.push_back(create(numbered("/registry/k", 10'000 + i), "v"));
      answer<committed_batch> written;
      e->commit(std::move(some), written.take());
      for (const auto& one : written.get(here).outcomes) REQUIRE(one.what == outcome::kind::committed);
    }
    const auto all = range(here, *e, {});
    REQUIRE(all.ok());
    CHECK(all->records.size() == 1'200);
    CHECK_FALSE(all->more);
    const auto part = range(here, *e, {"/registry/", after_prefix("/registry/"), all->head, 1'199});
    CHECK(part->records.size() == 1'199);
    CHECK(part->more);
    CHECK(part->records.back().key == "/registry/k11198");
    CHECK(range(here, *e, {{}, {}, all->head, 1'200})->more == false);
  }
  SUBCASE("a compaction by somebody else ends the feed with gone, and a later start goes on") {
    auto e = open_ready(config), other = open_ready(config);
    const auto began = *head_of(*e);
    for (int i = 0; i < 5; ++i) commit_one(here, *e, create(numbered("/registry/k", i), "v"));
    commit_one(here, *e, erase("/registry/k0"));
    REQUIRE(compact(here, *other, began + 6).ok());
    // The floor is not known here yet: the watch finds out.
    CHECK(changes(here, *e, began).code() == errc::gone);
    CHECK(changes(here, *e, began + 5).code() == errc::gone);   // The erasure at the floor itself is lost.
    CHECK(changes(here, *e, began + 6)->empty());
    CHECK(e->status().floor == began + 6);
    commit_one(here, *other, create("/registry/late", "v"));
    CHECK(changes(here, *e, began + 6)->size() == 1);
  }
  SUBCASE("a copy is whole or not there, and is never written over") {
    auto e = open_ready(config);
    commit_one(here, *e, create("/registry/k", std::string(100'000, 'v')));
    const scratch_folder files;
    REQUIRE(backup(here, *e, files / "copy").ok());
    struct stat seen {};
    REQUIRE(::stat((files / "copy").c_str(), &seen) == 0);
    CHECK(seen.st_size % 512 == 32);
    CHECK((seen.st_mode & 0777) == 0600);
    CHECK(backup(here, *e, files / "copy").code() == errc::already_exists);
    CHECK(backup(here, *e, files / "none/copy").code() == errc::not_found);
    CHECK(verify(here, *e).ok());
  }
  SUBCASE("too much in flight is refused at once, and the limits fit one another") {
    config.in_flight_operations_max = batch_operations_max;
    auto e = open_ready(config);
    std::vector<operation> many;
    for (std::size_t i = 0; i < batch_operations_max; ++i) many.push_back(create(numbered("/registry/k", i), "v"));
    answer<committed_batch> first, second;
    e->commit(std::move(many), first.take());
    e->commit({create("/registry/late", "v")}, second.take());
    CHECK(second.get(here).outcomes.at(0).what == outcome::kind::overloaded);
    for (const auto& one : first.get(here).outcomes) CHECK(one.what == outcome::kind::committed);
    config.in_flight_operations_max = 1;
    CHECK(problems(config).size() == 1);
    CHECK(open_etcd(config).code() == errc::invalid);
  }
}

TEST_CASE("with certificates etcd answers, and a wrong one on either side is told") {
  papers with;
  const etcd_stage etcd(1, with.server());
  auto access = etcd.access();
  access.ca = with.ca.certificates;
  std::tie(access.certificate, access.key) = with.leaf(net::tls::usage::client, with.now, 24h);
  {
    auto e = open_ready(config_for(access));
    CHECK(commit_one(here, *e, create("/registry/k", "v")).what == outcome::kind::committed);
    cluster_config patient;
    patient.access = access;
    patient.attempt_limit = 30s;
    auto members = *open_cluster(patient);
    answer<result<std::vector<member>>> list;
    members->members(list.take());
    const auto listed = list.get(here);
    REQUIRE(listed.ok());
    CHECK(listed->size() == 1);
  }
  const auto refused = [&](const etcd_access& by) {
    auto e = *open_etcd(config_for(by));
    const auto said = commit_one(here, *e, create("/registry/never", "v"));
    CHECK(said.what == outcome::kind::unavailable);
    return said.note;
  };
  auto wrong = access;
  wrong.ca = papers().ca.certificates;
  const auto verify_failed = refused(wrong);
  CHECK_MESSAGE(verify_failed.find("erify failed") != std::string::npos, verify_failed);
  wrong = access;
  std::tie(wrong.certificate, wrong.key) = with.leaf(net::tls::usage::client, with.now - 24h, 1h);
  CHECK(refused(wrong).find("our certificate has expired") != std::string::npos);
  papers other;
  std::tie(wrong.certificate, wrong.key) = other.leaf(net::tls::usage::client, with.now, 24h);
  CHECK(refused(wrong).find("may not accept our certificate") != std::string::npos);
  wrong.certificate.clear();
  wrong.key.clear();
  CHECK(refused(wrong).find("no certificate") != std::string::npos);
  auto e = open_ready(config_for(access));
  CHECK(range(here, *e, {})->records.size() == 1);
}
