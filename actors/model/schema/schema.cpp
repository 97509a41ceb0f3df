#include "actors/model/schema/schema.hpp"

#include <zlib.h>

#include <algorithm>

#include "basis/check.hpp"

namespace troupe::model::schema {
namespace {

#include "tables.inc"

std::string_view pooled(std::uint32_t at) { return pool + at; }

}  // namespace

std::string kind::qualified() const {
  std::string out(plural);
  if (!group.empty()) out.append(".").append(group);
  return out;
}

const subresource* kind::find_subresource(std::string_view called) const {
  auto found = std::ranges::find(subresources, called, &subresource::name);
  return found == subresources.end() ? nullptr : &*found;
}

std::span<const kind> kinds() { return all_kinds; }

const kind* find(std::string_view group, std::string_view version, std::string_view plural) {
  for (const auto& each : all_kinds)
    if (each.plural == plural && each.group == group && each.version == version) return &each;
  return nullptr;
}

const kind* find_by_name(std::string_view group, std::string_view version, std::string_view name) {
  for (const auto& each : all_kinds)
    if (each.name == name && each.group == group && each.version == version) return &each;
  return nullptr;
}

std::string_view field::name() const { return pooled(name_at); }
std::string_view field::merge_key() const { return pooled(merge_key_at); }
std::string_view field::default_json() const { return pooled(default_at); }

std::string_view message::name() const { return pooled(name_at); }
std::span<const field> message::fields() const { return {all_fields + first_field, fields_count}; }
std::span<const field> message::carriers() const { return {all_fields + first_field + fields_count, carriers_count}; }

const field* message::find(std::string_view json_name) const {
  auto range = fields();
  auto found = std::ranges::lower_bound(range, json_name, {}, &field::name);
  return found == range.end() || found->name() != json_name ? nullptr : &*found;
}

const field* message::find(std::uint32_t proto_number) const {
  if (proto_number == 0) return nullptr;
  for (const auto* each = all_fields + first_field; each != all_fields + first_field + fields_count + carriers_count;
       ++each)
    if (each->number == proto_number) return each;
  return nullptr;
}

std::span<const message> messages() { return all_messages; }

const message& message_at(std::uint16_t index) {
  CHECK_THAT(index < std::size(all_messages));
  return all_messages[index];
}

const message* find_message(std::string_view name) {
  auto found = std::ranges::lower_bound(all_messages, name, {}, &message::name);
  return found == std::end(all_messages) || found->name() != name ? nullptr : found;
}

descriptions::descriptions() {
  text_.resize(unpacked_size);
  uLongf size = unpacked_size;
  const auto* from = reinterpret_cast<const Bytef*>(packed);
  int outcome = uncompress(reinterpret_cast<Bytef*>(text_.data()), &size, from, packed_size);
  CHECK_THAT(outcome == Z_OK && size == unpacked_size);
  starts_.push_back(0);
  for (std::uint32_t at = 0; at + 1 < unpacked_size; ++at)
    if (text_[at] == '\0') starts_.push_back(at + 1);
}

std::string_view descriptions::at(std::uint32_t index) const {
  return index < starts_.size() ? std::string_view(text_.c_str() + starts_[index]) : std::string_view();
}

std::string_view digest() { return table_digest; }

}  // namespace troupe::model::schema
