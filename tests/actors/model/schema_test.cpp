#include <doctest/doctest.h>

#include <set>

#include "actors/model/schema/schema.hpp"

using namespace troupe::model;

TEST_CASE("every kind of the table is found by its group, version and plural") {
  std::set<std::string> seen;
  std::uint16_t index = 0;
  for (const auto& kind : schema::kinds()) {
    CHECK(kind.index == index++);
    CHECK(schema::find(kind.group, kind.version, kind.plural) == &kind);
    CHECK(schema::find_by_name(kind.group, kind.version, kind.name) == &kind);
    CHECK(schema::kinds()[kind.storage].storage_prefix == kind.storage_prefix);
    CHECK(seen.insert(std::string(kind.api_version) + "/" + std::string(kind.plural)).second);
    CHECK(schema::message_at(kind.message).find("metadata") != nullptr);
    // A selectable of a served kind stands in the stored kind's list too, or no document could carry it.
    for (const auto& field : kind.selectables) {
      bool stored = false;
      for (const auto& other : schema::kinds()[kind.storage].selectables) stored = stored || other.path == field.path;
      CHECK_MESSAGE(stored, field.label);
    }
  }
  CHECK(schema::kinds().size() == 46);
  CHECK(schema::find("", "v1", "widgets") == nullptr);
  CHECK(schema::find("apps", "v1", "pods") == nullptr);
}

TEST_CASE("messages and fields are found by name and by protobuf number") {
  for (const auto& message : schema::messages()) {
    CHECK(schema::find_message(message.name()) == &message);
    for (const auto& field : message.fields()) {
      CHECK(message.find(field.name()) == &field);
      if (field.number != 0) CHECK(message.find(std::uint32_t(field.number)) == &field);
      if (field.type == schema::field_type::message) CHECK(field.message_index < schema::messages().size());
    }
    CHECK(message.find("no such field") == nullptr);
    CHECK(message.find(0u) == nullptr);
  }
}

TEST_CASE("the table says what Kubernetes 1.33 says") {
  const auto& service = schema::message_at(schema::find("", "v1", "services")->message);
  const auto& spec = schema::message_at(service.find("spec")->message_index);
  const auto* ports = spec.find("ports");
  CHECK(ports->shape == schema::container::list);
  CHECK(ports->has(schema::field::merge));
  CHECK(ports->has(schema::field::list_map));
  CHECK(ports->merge_key() == "port");
  CHECK(schema::message_at(ports->message_index).find("protocol")->default_json() == "\"TCP\"");
  const auto* volume = schema::find_message("io.k8s.api.core.v1.Volume");
  REQUIRE(volume->carriers().size() == 1);
  CHECK(schema::message_at(volume->carriers()[0].message_index).find(19u)->name() == "configMap");
  const auto* data = schema::find_message("io.k8s.api.core.v1.Secret")->find("data");
  CHECK(data->shape == schema::container::map);
  CHECK(data->type == schema::field_type::base64);
  CHECK(schema::find("", "v1", "pods")->find_subresource("log")->verbs == schema::verb_get);
  CHECK(schema::find("", "v1", "nodes")->storage_prefix == "/registry/minions/");
  CHECK(sizeof(schema::field) == 24);
}

TEST_CASE("descriptions unpack to the words of OpenAPI") {
  schema::descriptions all;
  const auto* map = schema::find_message("io.k8s.api.core.v1.ConfigMap");
  CHECK(all.at(map->description) == "ConfigMap holds configuration data for pods to consume.");
  CHECK(all.at(map->find("immutable")->description).starts_with("Immutable, if set to true, ensures that data"));
  CHECK(all.at(1u << 30) == "");
  CHECK(schema::digest().size() == 40);
}
