#include "basis/yaml.hpp"

#include <yaml-cpp/yaml.h>

#include <charconv>

namespace troupe {
namespace {

json scalar(const YAML::Node& node) {
  const std::string& text = node.Scalar();
  if (node.Tag() == "!") return text;  // quoted
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return nullptr;
  const char* end = text.data() + text.size();
  const char* begin = text.data() + (text.front() == '+' ? 1 : 0);
  std::int64_t whole = 0;
  if (auto [at, bad] = std::from_chars(begin, end, whole); bad == std::errc() && at == end) return whole;
  double real = 0;
  if (text.find_first_of(".eE") != std::string::npos && text.find_first_not_of("+-.0123456789eE") == std::string::npos)
    if (auto [at, bad] = std::from_chars(begin, end, real); bad == std::errc() && at == end) return real;
  return text;
}

json convert(const YAML::Node& node, yaml_scalars scalars, std::size_t depth) {
  if (depth > json_depth_max) throw YAML::ParserException(node.Mark(), "nested too deeply");
  switch (node.Type()) {
    case YAML::NodeType::Scalar: {
      json typed = scalar(node);
      if (scalars == yaml_scalars::as_text && !typed.is_null()) return node.Scalar();
      return typed;
    }
    case YAML::NodeType::Sequence: {
      json out = json::array();
      for (const auto& item : node) out.push_back(convert(item, scalars, depth + 1));
      return out;
    }
    case YAML::NodeType::Map: {
      json out = json::object();
      for (const auto& pair : node) {
        if (!pair.first.IsScalar()) throw YAML::ParserException(pair.first.Mark(), "a key must be plain text");
        const std::string& key = pair.first.Scalar();
        if (out.contains(key)) throw YAML::ParserException(pair.first.Mark(), "the key \"" + key + "\" occurs twice");
        out[key] = convert(pair.second, scalars, depth + 1);
      }
      return out;
    }
    default: return nullptr;
  }
}

void emit(YAML::Emitter& out, const json& value) {
  switch (value.type()) {
    case json::value_t::object:
      if (value.empty()) {
        out << YAML::Flow << YAML::BeginMap << YAML::EndMap << YAML::Block;
        return;
      }
      out << YAML::BeginMap;
      for (const auto& [key, member] : value.items()) {
        out << YAML::Key << key << YAML::Value;
        emit(out, member);
      }
      out << YAML::EndMap;
      return;
    case json::value_t::array:
      if (value.empty()) {
        out << YAML::Flow << YAML::BeginSeq << YAML::EndSeq << YAML::Block;
        return;
      }
      out << YAML::BeginSeq;
      for (const auto& item : value) emit(out, item);
      out << YAML::EndSeq;
      return;
    case json::value_t::string: {
      const auto& text = value.get_ref<const std::string&>();
      YAML::Node probe(text);
      const bool plain = !text.empty() && scalar(probe).is_string() && text.find('\n') == std::string::npos;
      if (text.find('\n') != std::string::npos) out << YAML::Literal << text;
      else if (plain) out << text;
      else out << YAML::DoubleQuoted << text;
      return;
    }
    case json::value_t::boolean: out << value.get<bool>(); return;
    case json::value_t::null:
    case json::value_t::discarded: out << YAML::Null; return;
    default: out << to_text(value); return;
  }
}

}  // namespace

namespace {

/// The library's own words for a tab are hard to understand.
result<void> find_tab(std::string_view text) {
  std::size_t line = 1, column = 1;
  bool indent = true;
  for (char c : text) {
    if (indent && c == '\t')
      return fail(errc::invalid, "line " + std::to_string(line) + ", column " + std::to_string(column) +
                                     ": a tab is not allowed in YAML's indentation; use spaces");
    if (c == '\n') ++line, column = 0, indent = true;
    else if (c != ' ') indent = false;
    ++column;
  }
  return {};
}

error told(const YAML::Exception& e) {
  return fail(errc::invalid, "line " + std::to_string(e.mark.line + 1) + ", column " + std::to_string(e.mark.column + 1) + ": " + e.msg);
}

}  // namespace

result<json> parse_yaml(std::string_view text, yaml_scalars scalars) {
  if (auto fits = find_tab(text); !fits.ok()) return fits.why();
  try {
    return convert(YAML::Load(std::string(text)), scalars, 0);
  } catch (const YAML::Exception& e) {
    return told(e);
  }
}

result<std::vector<json>> parse_yaml_documents(std::string_view text) {
  if (auto fits = find_tab(text); !fits.ok()) return fits.why();
  try {
    std::vector<json> out;
    for (const auto& one : YAML::LoadAll(std::string(text))) out.push_back(convert(one, yaml_scalars::typed, 0));
    return out;
  } catch (const YAML::Exception& e) {
    return told(e);
  }
}

std::string to_yaml(const json& value) {
  YAML::Emitter out;
  emit(out, value);
  return std::string(out.c_str()) + "\n";
}

}  // namespace troupe
