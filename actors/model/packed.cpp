#include "actors/model/packed.hpp"

namespace troupe::model {

packed::packed(const json& value) {
  if (value.is_null()) return;
  auto text = to_text(value);
  text.shrink_to_fit();
  text_ = std::make_shared<const std::string>(std::move(text));
}

json packed::read() const {
  if (!text_) return {};
  auto value = parse_json(*text_);
  return value.ok() ? std::move(*value) : json();   // what to_text has written can be read
}

const std::string& packed::text() const {
  static const std::string nothing = "null";
  return text_ ? *text_ : nothing;
}

}  // namespace troupe::model
