#include <doctest/doctest.h>

#include "actors/dns/cache.hpp"
#include "actors/dns/framing.hpp"
#include "actors/dns/message.hpp"
#include "basis/rng.hpp"

using namespace troupe;
using namespace troupe::dns;

namespace {
query ask_of(const std::string& packet) { return *read_query(packet); }
answer three() {
  answer out;
  for (const char* a : {"10.42.0.1", "10.42.0.2", "10.42.0.3"}) out.answers.push_back({"web.d.svc.cluster.local", type_a, 5, address_data(a)});
  return out;
}
std::string query_text(const std::string& name = "web.d.svc.cluster.local", std::uint16_t type = type_a) { return write_query(77, name, type); }
}  // namespace

TEST_CASE("a query is read as it was written") {
  const auto got = ask_of(query_text());
  CHECK(got.id == 77);
  CHECK(got.name == "web.d.svc.cluster.local");
  CHECK(got.type == type_a);
  CHECK(got.recursion);
  CHECK(got.edns == udp_bytes_max);
  std::string loud = query_text();
  loud[13] = 'W';
  CHECK(ask_of(loud).name == "web.d.svc.cluster.local");
}

TEST_CASE("an answer is read as it was written, its question letter by letter the asker's") {
  auto packet = query_text();
  packet[13] = 'W';
  const auto text = write_answer(ask_of(packet), packet, three(), 1232);
  CHECK(text[13] == 'W');
  const auto got = read_reply(text);
  REQUIRE(got.ok());
  CHECK(got->id == 77);
  CHECK(got->answers.size() == 3);
  CHECK(got->answers[2].data == address_data("10.42.0.3"));
  CHECK(got->answers[0].name == "web.d.svc.cluster.local");
  CHECK(got->ttl_least == 5);
  CHECK(!got->cut);
  // Names after the first cost two bytes.
  CHECK(text.size() == packet.size() + 3 * (2 + 10 + 4));
}

TEST_CASE("what does not fit is left out, and the answer says so") {
  const auto packet = query_text();
  const auto got = read_reply(write_answer(ask_of(packet), packet, three(), packet.size() + 40));
  REQUIRE(got.ok());
  CHECK(got->cut);
  CHECK(got->answers.size() == 2);
  auto with_more = three();
  with_more.additional.push_back({"x.cluster.local", type_a, 5, address_data("10.0.0.1")});
  CHECK(!read_reply(write_answer(ask_of(packet), packet, with_more, packet.size() + 48))->cut);
}

TEST_CASE("names in data are written out whole") {
  const auto packet = query_text("a.example", type_srv);
  answer said;
  said.answers.push_back({"a.example", type_srv, 9, srv_data(1, 2, 80, "b.a.example")});
  said.answers.push_back({"a.example", type_cname, 9, name_data("c.example")});
  said.authority.push_back({"example", type_soa, 900, soa_data("ns.example", "host.example", 4, 60)});
  const auto text = write_answer(ask_of(packet), packet, said, 1232);
  const auto got = read_reply(text);
  REQUIRE(got.ok());
  CHECK(got->answers[0].data == srv_data(1, 2, 80, "b.a.example"));
  CHECK(got->authority.size() == 1);
  CHECK(got->ttl_least == 9);
  // A server that points into its question from within data.
  std::string pointed = query_text("a.example", type_cname).substr(0, 12 + 11 + 4);
  pointed[2] = static_cast<char>(0x81), pointed[7] = 1, pointed[11] = 0;
  pointed += std::string("\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x1e\x00\x04\x01z\xc0\x0e", 16);
  const auto whole = read_reply(pointed);
  REQUIRE(whole.ok());
  CHECK(whole->answers[0].data == name_data("z.example"));
}

TEST_CASE("packets that make no sense are refused, whatever they say") {
  const auto good = query_text();
  for (std::size_t size = 0; size < good.size(); ++size) CHECK(!read_query(good.substr(0, size)).ok());
  auto circle = good;
  circle[12] = static_cast<char>(0xc0), circle[13] = 12;
  CHECK(!read_query(circle).ok());
  auto two = good;
  two[5] = 2;
  CHECK(!read_query(two).ok());
  auto said = good;
  said[2] = static_cast<char>(0x80);
  CHECK(!read_query(said).ok());
  CHECK(write_error(said, rcode::format_error).empty());
  CHECK(write_error(good.substr(0, 11), rcode::format_error).empty());
  CHECK(write_error(good, rcode::format_error).size() == 12);
  CHECK(!read_reply(good).ok());
  const std::string long_label(64, 'a');
  CHECK(write_query(1, long_label, type_a).empty());
  CHECK(write_query(1, "a..b", type_a).empty());
  CHECK(name_data(std::string(300, 'a')).empty());
  CHECK(address_data("10.0.0").empty());
}

TEST_CASE("a cut or altered packet never leads outside of itself") {
  const auto packet = query_text();
  const auto text = write_answer(ask_of(packet), packet, three(), 1232);
  rng dice(7);
  for (int i = 0; i < 20000; ++i) {
    auto odd = dice.chance(50) ? text : packet;
    for (auto left = 1 + dice.below(4); left > 0; --left) odd[dice.below(odd.size())] = static_cast<char>(dice.below(256));
    odd.resize(1 + dice.below(odd.size()));
    const auto q = read_query(odd);
    if (q.ok()) {
      const auto back = write_answer(*q, odd, three(), 512);
      CHECK(back.size() <= std::max<std::size_t>(512, q->question_end + 11));
    }
    (void)read_reply(odd);
  }
}

TEST_CASE("a dot inside of a label is not the dot between two") {
  std::string packet = query_text("a.b");
  packet[12] = 3, packet[13] = 'a', packet[14] = '.', packet[15] = 'b';   // 1 a 1 b 0 -> 3 a . b 0
  CHECK(ask_of(packet).name == "a\\046b");
  CHECK(write_query(77, "a\\046b", type_a) == packet);
}

TEST_CASE("messages by TCP come in any pieces") {
  const auto text = framed("one") + framed("") + framed("three");
  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    unframer in;
    std::vector<std::string> got;
    for (std::size_t at = 0; at < text.size(); at += piece) in.take(std::string_view(text).substr(at, piece), [&](std::string_view m) { return got.emplace_back(m), true; });
    CHECK(got == std::vector<std::string>{"one", "", "three"});
  }
}

namespace {
reply said(const std::string& name, std::uint32_t ttl, rcode code = rcode::ok) {
  reply out;
  out.code = code;
  out.name = name;
  out.type = type_a;
  out.ttl_least = ttl;
  out.answers.push_back({name, type_a, ttl, address_data("192.0.2.1")});
  return out;
}
const mono_time start{};
}  // namespace

TEST_CASE("what was said outside is kept as long as it may live, thirty seconds at most, and grows older meanwhile") {
  cache kept;
  kept.put(said("a.example", 10), start);
  kept.put(said("b.example", 900), start);
  kept.put(said("c.example", 0), start);
  kept.put(said("d.example", 10, rcode::server_failure), start);
  kept.put(said("e.example", 10, rcode::no_such_name), start);
  CHECK(kept.find("a.example", type_a, start + 4s)->answers[0].ttl == 6);
  CHECK(!kept.find("a.example", type_aaaa, start + 4s));
  CHECK(!kept.find("a.example", type_a, start + 10s));
  CHECK(kept.find("b.example", type_a, start + 29s)->answers[0].ttl == 871);
  CHECK(!kept.find("b.example", type_a, start + 30s));
  CHECK(!kept.find("c.example", type_a, start));
  CHECK(!kept.find("d.example", type_a, start));
  CHECK(kept.find("e.example", type_a, start)->code == rcode::no_such_name);
}

TEST_CASE("the cache stays within its bounds and forgets the longest unused") {
  cache kept;
  kept.put(said("first.example", 30), start);
  kept.put(said("second.example", 30), start);
  for (std::size_t i = 0; i < cache_entries_max - 1; ++i) {
    if (i % 100 == 0) CHECK(kept.find("first.example", type_a, start));
    kept.put(said("n" + std::to_string(i) + ".example", 30), start);
  }
  CHECK(kept.size() <= cache_entries_max);
  CHECK(kept.bytes() <= cache_bytes_max);
  CHECK(kept.find("first.example", type_a, start));
  CHECK(!kept.find("second.example", type_a, start));
}
