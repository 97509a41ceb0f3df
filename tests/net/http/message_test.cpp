#include <doctest/doctest.h>

#include "net/http/message.hpp"

using namespace troupe::net::http;

TEST_CASE("header names ignore case, tokens are found in lists") {
  header_list h;
  h.add("Connection", "keep-alive, Upgrade");
  h.add("X-A", "1");
  h.add("x-a", "2");
  CHECK(h.get("x-a") == "1");
  CHECK(h.has_token("connection", "upgrade"));
  CHECK(h.has_token("connection", "KEEP-ALIVE"));
  CHECK_FALSE(h.has_token("connection", "grade"));
  h.set("X-a", "3");
  CHECK(h.get("x-a") == "3");
  CHECK(h.all().size() == 2);
  CHECK(h.find("none") == nullptr);
}

TEST_CASE("percent escapes go there and back, and broken ones are told") {
  CHECK(*percent_decode("a%20b%2Fc+d") == "a b/c+d");
  CHECK(*percent_decode("a+b", true) == "a b");
  for (auto bad : {"%", "%1", "%zz", "a%g0"}) CHECK_FALSE(percent_decode(bad).has_value());
  std::string all;
  for (int i = 0; i < 256; ++i) all.push_back(static_cast<char>(i));
  CHECK(*percent_decode(percent_encode(all)) == all);
}

TEST_CASE("a query is pairs in order; broken escapes stay as they are") {
  const auto q = parse_query("a=1&b=x%20y+z&&c&d=%zz&a=2&=v");
  REQUIRE(q.size() == 6);
  CHECK(q[0] == std::pair<std::string, std::string>("a", "1"));
  CHECK(q[1].second == "x y z");
  CHECK(q[2] == std::pair<std::string, std::string>("c", ""));
  CHECK(q[3].second == "%zz");
  CHECK(q[5].second == "v");
}
