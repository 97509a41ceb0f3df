#include <doctest/doctest.h>

#include "actors/model/packed.hpp"

using namespace troupe;
using model::packed;

TEST_CASE("what is packed comes out as it went in, whatever kind it is") {
  for (const char* text : {R"({"a":{"b":[1,-2,3.5,"x",true,null]},"c":""})", "[]", "{}", "\"text\"", "17", "false", R"({"quoted":"a\"b\\c\n\u00e9"})"}) {
    const auto value = *parse_json(text);
    const packed kept(value);
    CHECK(kept.read() == value);
    CHECK(*parse_json(kept.text()) == value);
    CHECK(!kept.is_null());
  }
}

TEST_CASE("nothing packed is null, and so is packed null") {
  for (const auto& none : {packed(), packed(json())}) {
    CHECK(none.is_null());
    CHECK(none.read().is_null());
    CHECK(none.text() == "null");
    CHECK(none == packed());
    CHECK(!(none == packed(json::object())));
  }
}

TEST_CASE("equal values are equal packed, whatever the order in which they were written") {
  CHECK(packed(*parse_json(R"({"a":1,"b":{"c":2,"d":3}})")) == packed(*parse_json(R"({"b":{"d":3,"c":2},"a":1})")));
  CHECK(!(packed(*parse_json(R"({"a":1})")) == packed(*parse_json(R"({"a":2})"))));
}

TEST_CASE("a copy shares the text, and what is read is the reader's own") {
  const packed one(*parse_json(R"({"a":1})"));
  const auto other = one;   // NOLINT(performance-unnecessary-copy-initialization)
  CHECK(&one.text() == &other.text());
  auto read = other.read();
  read["a"] = 2;
  CHECK(one.read()["a"] == 1);
}

TEST_CASE("bytes that are no UTF-8 are replaced, and what is packed can be read") {
  const packed kept(json{{"message", std::string("a\xff") + "b"}});
  CHECK(kept.read()["message"] == "a\xEF\xBF\xBD" "b");
}
