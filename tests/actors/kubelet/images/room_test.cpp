// A disk that fills up loses images that nobody uses.
#include "tests/harness/little_node.hpp"

using namespace troupe;
using testing::little_node;

namespace {

constexpr std::uint64_t mib = 1 << 20;

/// A disk of 100 MiB that holds nothing but images.
struct disk_of_images : net::machine {
  explicit disk_of_images(const net::sim::container_machine& of) : of_(of) {}
  net::machine_facts facts(const std::string&) const override {
    net::machine_facts out;
    out.disk_bytes = out.disk_free_bytes = 100 * mib;
    for (const auto& one : of_.images()) out.disk_free_bytes -= one.bytes;
    return out;
  }

 private:
  const net::sim::container_machine& of_;
};

struct full_node : little_node {
  full_node() {
    machine.fault = [this](std::string_view verb, const std::string&) -> std::optional<error> {
      if (blind && verb.starts_with("list") && verb != "list_images") return fail(errc::unavailable, "not now");
      return std::nullopt;
    };
    on.world.machine = &room;
  }
  bool has(const std::string& image) const {
    return std::ranges::any_of(machine.images(), [&](const auto& one) { return one.tags == std::vector<std::string>{image}; });
  }
  bool blind = false;
  disk_of_images room{machine};
};

}  // namespace

TEST_CASE("a full disk loses the largest images that nobody uses, and no more than must go") {
  full_node n;
  n.machine.add_image("app", 30 * mib);
  n.put("{}");
  REQUIRE(n.until([&] { return n.runs(); }));
  n.machine.add_image("large", 40 * mib);
  n.machine.add_image("small", 25 * mib);
  n.on.run.run_for(60s);
  CHECK((n.has("large") && n.has("small")));   // they have just come
  REQUIRE(n.until([&] { return !n.has("large"); }, 5min));
  n.on.run.run_for(5min);
  CHECK((n.has("app") && n.has("small")));
}

TEST_CASE("no image goes before it is known which are used") {
  full_node n;
  n.machine.add_image("app", 90 * mib);
  n.blind = true;
  n.on.run.run_for(5min);
  CHECK(n.has("app"));
  n.blind = false;
  REQUIRE(n.until([&] { return !n.has("app"); }, 5min));
}
