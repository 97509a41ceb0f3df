// YAML in and out, as JSON values. Plain scalars are typed as YAML 1.1 readers of Kubernetes do:
// true/false, null, integers, floats, else text.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "basis/json.hpp"

namespace troupe {

/// Whether plain scalars get a type, or stay the text that was written (0600, 007, 1e3); null stays null.
enum class yaml_scalars : std::uint8_t { typed, as_text };
/// Reads the first document; `invalid` names line, column and the reason (a tab is named as such).
result<json> parse_yaml(std::string_view text, yaml_scalars scalars = yaml_scalars::typed);
/// All documents of a text, in order; one that holds nothing (a comment, say) is null.
result<std::vector<json>> parse_yaml_documents(std::string_view text);
/// Block style, keys in the value's order.
std::string to_yaml(const json& value);

}  // namespace troupe
