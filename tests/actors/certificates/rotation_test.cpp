#include "actors/certificates/rotation.hpp"

#include <doctest/doctest.h>

#include "basis/rng.hpp"
#include "net/sim/crypto.hpp"
#include "net/tls/signing/bundle.hpp"

using namespace troupe;
using namespace troupe::certificates;
using net::tls::identity;

namespace {

const wall_time noon = *parse_rfc3339("2030-01-01T12:00:00Z");

struct counted_entropy final : entropy {
  std::string draw(std::size_t count) override {
    std::string out(count, static_cast<char>(++drawn));
    if (count > 1) out[1] = static_cast<char>(drawn >> 8);
    return out;
  }
  unsigned drawn = 0;
};

/// A cluster's authorities, and what an administrator makes of others.
struct desk {
  net::sim::key_book book;
  counted_entropy chance;
  std::unique_ptr<net::tls::issuer> issuer = net::sim::make_symbolic_issuer(book, chance);
  authority_files present, offered;

  identity make(const std::string& name, wall_time at = noon, duration life = net::tls::ca_validity) { return *issuer->make_ca(name, at, life); }
  /// The certificate of `what` as signed by `by`, altered as the test says.
  std::string crossed(const identity& what, const identity& by, const json& altered = json::object()) const {
    auto out = net::sim::blocks(what.certificates, "CERTIFICATE").front();
    out.update(altered);
    out["issuer"] = net::sim::blocks(by.certificates, "CERTIFICATE").front()["public_key"];
    const auto secret = text_or(dig(net::sim::blocks(by.key.reveal(), "EC PRIVATE KEY").front(), "secret"));
    out["signature"] = net::sim::key_book::sign(secret, net::sim::signed_part(out));
    return net::sim::armoured("CERTIFICATE", out);
  }
  identity old_one(const std::string& base) const { return {present.at(base + ".crt"), secret_text(present.at(base + ".key"))}; }
  void offer(const std::string& base, const std::string& bundle, const secret_text& key) {
    offered[base + ".crt"] = bundle;
    offered[base + ".key"] = std::string(key.reveal());
  }
  /// As the recipe makes them: the new one signed by the old one, the new one signed by itself, the old one.
  void offer_crossed(const std::string& base) {
    const auto old = old_one(base), next = make("new-" + base);
    offer(base, crossed(next, old) + next.certificates + old.certificates, next.key);
  }
  desk() {
    for (const auto base : authorities()) {
      const auto one = make(std::string(base));
      present[std::string(base) + ".crt"] = one.certificates;
      present[std::string(base) + ".key"] = std::string(one.key.reveal());
    }
    present[service_key_path] = std::string(issuer->make_key().reveal());
    for (const auto base : authorities()) offer_crossed(std::string(base));
  }
  result<authority_files> judge(bool force = false) { return judge_replacement(*issuer, noon, present, offered, force); }
  std::string refused(bool force = false) {
    const auto got = judge(force);
    REQUIRE_FALSE(got.ok());
    CHECK(got.code() == errc::invalid);
    for (const auto& [path, text] : offered)   // whatever is wrong with it, nobody is shown a key
      if (path.ends_with(".key")) CHECK(got.why().note.find(text.substr(0, 60)) == std::string::npos);
    return got.why().note;
  }
};

bool says(const std::string& text, const std::string& part) {
  CAPTURE(text);
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("authorities that the old ones have signed can follow them, and only what differs is replaced") {
  desk on;
  const auto got = on.judge();
  REQUIRE(got.ok());
  CHECK(*got == on.offered);
  on.offered["tls/client-ca.crt"] = on.present["tls/client-ca.crt"];
  on.offered["tls/client-ca.key"] = on.present["tls/client-ca.key"];
  on.offered[service_key_path] = on.present[service_key_path];
  const auto fewer = on.judge();
  REQUIRE(fewer.ok());
  CHECK(fewer->size() == 8);
  CHECK_FALSE(fewer->contains("tls/client-ca.crt"));
  on.offered = on.present;
  CHECK(says(on.refused(), "nothing would change"));
}

TEST_CASE("an authority may lead to the old one through others, in any order, and below a root that stays") {
  desk on;
  const auto old = on.old_one("tls/server-ca"), root = on.make("root"), signs = on.make("signs");
  // K3s's script: one that signs, the root by itself, the root by the old one, the old one.
  on.offer("tls/server-ca", on.crossed(signs, root) + root.certificates + on.crossed(root, old) + old.certificates, signs.key);
  CHECK(on.judge().ok());
  on.offer("tls/server-ca", on.crossed(signs, root) + root.certificates + on.crossed(root, old), signs.key);
  CHECK(on.judge().ok());
  // A company's root: the cluster had one below it, and gets another.
  const auto company = on.make("company"), first = on.make("first"), second = on.make("second");
  on.present["tls/server-ca.crt"] = on.crossed(first, company) + company.certificates;
  on.present["tls/server-ca.key"] = std::string(first.key.reveal());
  on.offer("tls/server-ca", on.crossed(second, company) + company.certificates, second.key);
  CHECK(on.judge().ok());
}

TEST_CASE("a stranger is refused, also one that shows the old one's certificate or claims to be signed by it, and taken by force") {
  desk on;
  const auto old = on.old_one("tls/client-ca"), next = on.make("new"), other = on.make("other");
  for (const auto& bundle : {next.certificates, next.certificates + old.certificates, on.crossed(next, other) + other.certificates + old.certificates,
                             // Signed by somebody else in the old one's name.
                             [&] {
                               auto lie = net::sim::blocks(on.crossed(next, other), "CERTIFICATE").front();
                               lie["issuer"] = net::sim::blocks(old.certificates, "CERTIFICATE").front()["public_key"];
                               return net::sim::armoured("CERTIFICATE", lie) + old.certificates;
                             }()}) {
    on.offer("tls/client-ca", bundle, next.key);
    CHECK(says(on.refused(), "tls/client-ca.crt does not lead to the authority that it replaces"));
    const auto forced = on.judge(true);
    REQUIRE(forced.ok());
    CHECK(forced->at("tls/client-ca.crt") == bundle);
  }
}

TEST_CASE("what cannot work is refused by name, force or not") {
  for (const bool force : {false, true}) {
    CAPTURE(force);
    const auto with = [&](auto spoil) {
      desk on;
      spoil(on);
      return on.refused(force);
    };
    CHECK(says(with([](desk& on) { on.offered.erase("tls/etcd/peer-ca.key"); }), "tls/etcd/peer-ca.key is missing, and tls/etcd/peer-ca.crt is of no use without it"));
    CHECK(says(with([](desk& on) { on.offered.erase("tls/server-ca.crt"); }), "tls/server-ca.crt is missing"));
    CHECK(says(with([](desk& on) { on.offered["tls/server-ca.key"] = on.offered["tls/client-ca.key"]; }), "tls/server-ca.key is not the key of the first certificate in tls/server-ca.crt"));
    CHECK(says(with([](desk& on) { on.offered["tls/server-ca.key"] = "noise"; }), "tls/server-ca.key holds no private key"));
    CHECK(says(with([](desk& on) { on.offered["tls/server-ca.crt"] = "noise"; }), "tls/server-ca.crt holds no certificate"));
    CHECK(says(with([](desk& on) { on.offered["tls/server-ca.crt"] += "-----BEGIN CERTIFICATE-----\nnoise\n-----END CERTIFICATE-----\n"; }), "its certificate 4 cannot be read"));
    CHECK(says(with([](desk& on) {
      std::string many;
      for (int i = 0; i < 17; ++i) many += on.offered["tls/server-ca.crt"];
      on.offered["tls/server-ca.crt"] = many;
    }), "holds 51 certificates"));
    CHECK(says(with([](desk& on) {
      const auto old = on.old_one("tls/server-ca"), next = on.make("new", noon - net::tls::ca_validity * 2);
      on.offer("tls/server-ca", on.crossed(next, old) + old.certificates, next.key);
    }), "tls/server-ca.crt ended on "));
    CHECK(says(with([](desk& on) {
      const auto old = on.old_one("tls/server-ca"), next = on.make("new", noon + std::chrono::hours(48));
      on.offer("tls/server-ca", on.crossed(next, old) + old.certificates, next.key);
    }), "tls/server-ca.crt is not valid before "));
    CHECK(says(with([](desk& on) {
      const auto old = on.old_one("tls/server-ca"), next = on.make("new");
      on.offer("tls/server-ca", on.crossed(next, old, {{"authority", false}}) + old.certificates, next.key);
    }), "its first certificate is not one of an authority"));
    CHECK(says(with([](desk& on) { on.offered[service_key_path] = "noise"; }), "tls/service.key holds no private key"));
  }
}

TEST_CASE("a kind that is missing is asked for, and kept as it is by force; one that the cluster does not have is taken") {
  desk on;
  on.offered.erase("tls/request-header-ca.crt");
  on.offered.erase("tls/request-header-ca.key");
  CHECK(says(on.refused(), "tls/request-header-ca.crt is missing: the cluster has this authority, too"));
  const auto forced = on.judge(true);
  REQUIRE(forced.ok());
  CHECK_FALSE(forced->contains("tls/request-header-ca.crt"));
  desk alone;   // a server with a store of its own has none for etcd
  for (const char* path : {"tls/etcd/server-ca.crt", "tls/etcd/server-ca.key", "tls/etcd/peer-ca.crt", "tls/etcd/peer-ca.key"}) alone.present.erase(path);
  CHECK(alone.judge().ok());
}

TEST_CASE("tokens of service accounts that were given out stay good") {
  desk on;
  const auto next = on.issuer->make_key();
  on.offered[service_key_path] = std::string(next.reveal());
  CHECK(says(on.refused(), "tls/service.key does not hold the key that signs now"));
  CHECK(on.judge(true).ok());
  on.offered[service_key_path] += on.present[service_key_path];
  const auto got = on.judge();
  REQUIRE(got.ok());
  CHECK(net::tls::keys_of(secret_text(got->at(service_key_path))).size() == 2);
}

TEST_CASE("a token's authority is found in a bundle by both of its digests, and by nothing else") {
  desk on;
  const auto old = on.old_one("tls/server-ca"), next = on.make("new");
  const auto bundle = on.crossed(next, old) + next.certificates + old.certificates;
  auto& with = *on.issuer;
  CHECK(net::tls::pinned_certificate(with, bundle, with.ca_digest(old.certificates)) == old.certificates);
  CHECK(net::tls::pinned_certificate(with, bundle, with.ca_digest(bundle)) == next.certificates);   // the twin's root: the first that is signed by itself
  CHECK(net::tls::pinned_certificate(with, bundle, with.ca_digest(on.make("other").certificates)).empty());
  CHECK(net::tls::pinned_certificate(with, bundle, "").empty());
  CHECK(net::tls::pinned_certificate(with, "noise", with.ca_digest(old.certificates)).empty());
}
