// Short ways to say what the tests of the API's rules say often.
#pragma once
#include <doctest/doctest.h>

#include <string>
#include <variant>

#include "actors/apiserver/resources/rules/write.hpp"
#include "actors/apiserver/wire/decode.hpp"
#include "actors/model/document.hpp"

namespace troupe::apiserver::testing {

inline const schema::kind& kind_of(std::string_view plural, std::string_view group = "") {
  for (const auto& kind : schema::kinds())
    if (kind.group == group && kind.plural == plural) return kind;
  FAIL("no kind " << plural << "." << group);
  return schema::kinds()[0];
}

inline json read(std::string_view text) {
  auto value = parse_json(text);
  REQUIRE_MESSAGE(value.ok(), text);
  return *value;
}

/// 2026-11-22T07:00:00Z.
inline wall_time noon() { return *parse_rfc3339("2026-11-22T07:00:00Z"); }

inline write_context context(std::string ns = "default", std::string name = "") {
  write_context out;
  out.now = noon();
  out.uid = "11111111-2222-4333-8444-555555555555";
  out.name_suffix = "x7k2b";
  out.ns = std::move(ns);
  out.name = std::move(name);
  return out;
}

template <class Value, class... Rest>
const Value& good(const std::variant<Value, Rest...>& outcome) {
  if (const auto* why = std::get_if<api_error>(&outcome)) FAIL(why->message);
  return std::get<Value>(outcome);
}

template <class... All>
const api_error& bad(const std::variant<All...>& outcome) {
  REQUIRE(std::holds_alternative<api_error>(outcome));
  return std::get<api_error>(outcome);
}

inline json created(std::string_view plural, std::string_view text, std::string ns = "default") {
  const auto& kind = kind_of(plural);
  auto body = good(decode_body("", text, kind, "", field_validation::strict)).object;
  return good(prepare_create(kind, body, context(kind.namespaced ? ns : "")));
}

/// As it is published: with a resourceVersion.
inline json published(json object, std::string version = "1020") {
  object["metadata"]["resourceVersion"] = version;
  return object;
}

}  // namespace troupe::apiserver::testing
