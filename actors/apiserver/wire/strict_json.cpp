#include "actors/apiserver/wire/strict_json.hpp"

#include <exception>

namespace troupe::apiserver {
namespace {

/// Builds the value as the library's parser walks the text.
class builder : public nlohmann::json_sax<json> {
 public:
  builder(json& root, std::vector<std::string>& duplicates) : root_(root), duplicates_(duplicates) {}

  std::string fault;

  bool null() override { return put(json()); }
  bool boolean(bool value) override { return put(json(value)); }
  bool number_integer(number_integer_t value) override { return put(json(value)); }
  bool number_unsigned(number_unsigned_t value) override { return put(json(value)); }
  bool number_float(number_float_t value, const string_t&) override { return put(json(value)); }
  bool string(string_t& value) override { return put(json(std::move(value))); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(json::object()); }
  bool start_array(std::size_t) override { return open(json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    auto& object = *stack_.back();
    auto [place, fresh] = object.get_ref<json::object_t&>().try_emplace(std::move(name));
    slot_ = &place->second;
    keys_.back() = &place->first;
    if (!fresh && duplicates_.size() < duplicates_max) duplicates_.push_back(path());
    return true;
  }

  bool parse_error(std::size_t at, const std::string&, const nlohmann::detail::exception& why) override {
    fault = std::string(why.what()) + " (byte " + std::to_string(at) + ")";
    return false;
  }

 private:
  json* place(json value) {
    if (stack_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    auto& parent = *stack_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    *slot_ = std::move(value);
    return slot_;
  }
  bool put(json value) {
    place(std::move(value));
    return true;
  }
  bool open(json value) {
    if (stack_.size() >= json_depth_max) {
      fault = "exceeded max depth";
      return false;
    }
    stack_.push_back(place(std::move(value)));
    keys_.push_back(nullptr);
    return true;
  }
  bool close() {
    stack_.pop_back();
    keys_.pop_back();
    return true;
  }
  std::string path() const {
    std::string out;
    for (std::size_t i = 0; i < stack_.size(); ++i) {
      if (stack_[i]->is_array()) {
        out.append("[").append(std::to_string(stack_[i]->size() - 1)).append("]");
      } else if (keys_[i]) {
        if (!out.empty()) out += '.';
        out.append(*keys_[i]);
      }
    }
    return out;
  }

  json& root_;
  std::vector<std::string>& duplicates_;
  std::vector<json*> stack_;
  std::vector<const std::string*> keys_;
  json* slot_ = nullptr;
};

}  // namespace

result<json> parse_json_strictly(std::string_view text, std::vector<std::string>& duplicates) {
  json out;
  builder build(out, duplicates);
  try {
    if (json::sax_parse(text, &build)) return out;
  } catch (const std::exception& why) {
    return {errc::invalid, why.what()};
  }
  return {errc::invalid, build.fault.empty() ? "invalid JSON" : build.fault};
}

}  // namespace troupe::apiserver
