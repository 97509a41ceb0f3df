#include "actors/node/prepare.hpp"

#include <doctest/doctest.h>

#include "actors/certificates/pki.hpp"
#include "net/sim/crypto.hpp"
#include "tests/actors/secrets/kept_files.hpp"

using namespace troupe;

namespace {

const wall_time noon = *parse_rfc3339("2030-01-01T12:00:00Z");
constexpr duration year = std::chrono::hours(24 * 365);

struct counted_entropy final : entropy {
  std::string draw(std::size_t count) override {
    std::string out(count, static_cast<char>(++drawn));
    if (count > 1) out[1] = static_cast<char>(drawn >> 8);
    return out;
  }
  unsigned drawn = 0;
};
struct set_clock final : wall_clock {
  wall_time now() const override { return shows; }
  wall_time shows = noon;
};
/// Files with a time of their last writing, which the test sets for all at once.
struct dated_files final : testing::kept_files {
  result<std::vector<net::file_entry>> list(const std::string& folder) const override {
    std::vector<net::file_entry> out;
    for (const auto& [path, text] : all)
      if (path.starts_with(folder + "/") && path.find('/', folder.size() + 1) == std::string::npos) out.push_back({path.substr(folder.size() + 1), text.size(), written, false});
    return out;
  }
  wall_time written = noon;
};

struct machine {
  machine() {
    world.files = &files;
    world.wall = &clock;
    world.chance = &chance;
    world.issuer = issuer.get();
    config.data_folder = "/d";
  }
  result<certificates::pki> make() {
    certificates::pki_config with;
    with.folder = "/d/server/tls";
    with.dns_names = {"n"};
    return certificates::load_or_make(world, with);
  }
  std::string trouble(duration waited = duration(0)) { return node::clock_trouble(world, config, waited).value_or(""); }
  dated_files files;
  set_clock clock;
  counted_entropy chance;
  net::sim::key_book book;
  std::unique_ptr<net::tls::issuer> issuer = net::sim::make_symbolic_issuer(book, chance);
  rt::world world;
  node::server_config config;
};

bool says(const std::string& text, const std::string& part) {
  CAPTURE(text);
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a server waits for a clock that is before its authority or behind its end, however long") {
  machine on;
  CHECK(on.trouble() == "");   // there is no server yet
  REQUIRE(on.make().ok());
  CHECK(on.trouble() == "");
  for (const auto waited : {duration(0), duration(std::chrono::hours(100))}) {
    on.clock.shows = noon - std::chrono::hours(2);
    CHECK(says(on.trouble(waited), "and this cluster's authority began 2030-01-01T11:00:00Z"));
    on.clock.shows = noon + 10 * year;
    CHECK(says(on.trouble(waited), "the clock: it shows 2039-12-30T12:00:00Z, and this cluster's authority ended 2039-12-30T11:00:00Z"));
  }
  on.files.written = noon + 10 * year;
  CHECK(says(on.trouble(), "authority ended"));
  on.files.all["/d/server/tls-next.json"] = "{}";   // others wait for this start
  CHECK(on.trouble() == "");
}

TEST_CASE("a clock that is more than a year behind the last thing written is doubted for ten minutes, and then believed") {
  machine on;
  REQUIRE(on.make().ok());
  on.files.all["/d/server/db/state.db"] = "objects";
  on.clock.shows = noon + year;
  CHECK(on.trouble() == "");
  on.clock.shows = noon + year + std::chrono::seconds(1);
  CHECK(says(on.trouble(), "and this server last wrote anything 2030-01-01T12:00:00Z"));
  CHECK(says(on.trouble(node::clock_patience - std::chrono::seconds(1)), "`touch /d/server/url`"));
  CHECK(on.trouble(node::clock_patience) == "");
  on.files.written = on.clock.shows - std::chrono::hours(1);
  CHECK(on.trouble() == "");
  on.files.written = wall_time{};   // a disk that keeps no times says nothing
  CHECK(on.trouble() == "");
}

TEST_CASE("what was signed by a clock that was ahead is signed anew once it is right, by the same authority") {
  machine on;
  REQUIRE(on.make().ok());
  on.clock.shows = noon + 3 * year;
  const auto ahead = on.make();
  REQUIRE(ahead.ok());
  CHECK(on.issuer->read(ahead->serving.certificates)->not_before == noon + 3 * year - net::tls::backdate);
  on.clock.shows = noon + std::chrono::hours(1);
  const auto right = on.make();
  REQUIRE(right.ok());
  for (const auto* one : {&right->serving, &right->admin, &right->kubelet_client}) CHECK(on.issuer->read(one->certificates)->not_before <= on.clock.shows);
  CHECK(right->server_ca.certificates == ahead->server_ca.certificates);
  const auto later = on.make();
  CHECK(later->serving.certificates == right->serving.certificates);   // and not again and again
}
