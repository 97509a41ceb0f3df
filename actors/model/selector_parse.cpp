// Reading of selectors: the tokens and the order of questions of Kubernetes' labels.Parse, so that its words come out.
#include <algorithm>
#include <charconv>

#include "actors/model/selector.hpp"
#include "basis/ids.hpp"

namespace troupe::model {
namespace {

constexpr std::string_view name_words =
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
    "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
constexpr std::string_view value_words =
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
constexpr std::string_view subdomain_words =
    "prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and "
    "must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

bool alphanumeric(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool name_like(std::string_view text) {
  if (text.empty() || !alphanumeric(text.front()) || !alphanumeric(text.back())) return false;
  return std::ranges::all_of(text, [](char c) { return alphanumeric(c) || c == '-' || c == '_' || c == '.'; });
}

enum class token { word, open, close, comma, bang, equal, double_equal, not_equal, greater, less, in, not_in, end };

struct lexeme {
  token what = token::end;
  std::string_view text;
};

bool special(char c) { return std::string_view("()=!,<>").find(c) != std::string_view::npos; }
bool space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

token symbol(std::string_view text) {
  static constexpr std::pair<std::string_view, token> all[] = {
      {"(", token::open}, {")", token::close}, {",", token::comma}, {"!", token::bang}, {"=", token::equal},
      {"==", token::double_equal}, {"!=", token::not_equal}, {">", token::greater}, {"<", token::less}};
  for (const auto& [spelling, what] : all)
    if (spelling == text) return what;
  return token::end;
}

class parser {
 public:
  explicit parser(std::string_view text) : text_(text) { read(); }

  result<label_selector> run() {
    label_selector out;
    while (true) {
      auto ahead = look(true);
      if (ahead.what == token::end) return out;
      if (ahead.what != token::word && ahead.what != token::bang)
        return fault("found '" + std::string(ahead.text) + "', expected: !, identifier, or 'end of string'");
      auto term = requirement();
      if (!term) return fault("unable to parse requirement: " + term.why().note);
      if (out.terms.size() >= selector_terms_max) return fault("too many requirements");
      out.terms.push_back(std::move(*term));
      auto next = take(true);
      if (next.what == token::end) return out;
      if (next.what != token::comma)
        return fault("found '" + std::string(next.text) + "', expected: ',' or 'end of string'");
      auto after = look(true);
      if (after.what != token::word && after.what != token::bang)
        return fault("found '" + std::string(after.text) + "', expected: identifier after ','");
    }
  }

 private:
  using term = label_selector::term;
  using test = label_selector::test;

  static error fault(std::string note) { return fail(errc::invalid, std::move(note)); }

  void read() {
    while (at_ < text_.size() && space(text_[at_])) ++at_;
    auto start = at_;
    if (at_ >= text_.size()) {
      now_ = {token::end, {}};
    } else if (special(text_[at_])) {
      ++at_;
      while (at_ < text_.size() && special(text_[at_]) && symbol(text_.substr(start, at_ + 1 - start)) != token::end)
        ++at_;
      now_ = {symbol(text_.substr(start, at_ - start)), text_.substr(start, at_ - start)};
    } else {
      while (at_ < text_.size() && !special(text_[at_]) && !space(text_[at_])) ++at_;
      now_ = {token::word, text_.substr(start, at_ - start)};
    }
  }
  /// `values` reads the words in and notin as plain words.
  lexeme look(bool values) const {
    auto out = now_;
    if (!values && out.what == token::word && out.text == "in") out.what = token::in;
    if (!values && out.what == token::word && out.text == "notin") out.what = token::not_in;
    return out;
  }
  lexeme take(bool values) {
    auto out = look(values);
    read();
    return out;
  }

  result<term> requirement() {
    term out;
    auto first = take(true);
    bool negated = first.what == token::bang;
    if (negated) first = take(true);
    if (first.what != token::word) return fault("found '" + std::string(first.text) + "', expected: identifier");
    out.key = first.text;
    if (auto why = label_key_problem(out.key); !why.empty())
      return fault("key: Invalid value: \"" + out.key + "\": " + why);
    out.how = negated ? test::absent : test::exists;
    auto ahead = look(true).what;
    if (negated || ahead == token::end || ahead == token::comma) return out;
    return with_operator(std::move(out));
  }

  result<term> with_operator(term out) {
    auto sign = take(false);
    switch (sign.what) {
      case token::in:
      case token::equal:
      case token::double_equal: out.how = test::in; break;
      case token::not_in:
      case token::not_equal: out.how = test::not_in; break;
      case token::greater: out.how = test::greater; break;
      case token::less: out.how = test::less; break;
      default:
        return fault("found '" + std::string(sign.text) + "', expected: in, notin, =, ==, !=, gt, lt");
    }
    bool many = sign.what == token::in || sign.what == token::not_in;
    auto fine = many ? value_list(out.values) : one_value(out.values);
    if (!fine) return fine.why();
    return checked(std::move(out));
  }

  result<term> checked(term out) {
    if (out.values.empty())
      return fault("values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty");
    std::ranges::sort(out.values);
    out.values.erase(std::unique(out.values.begin(), out.values.end()), out.values.end());   // clang 14 has no ranges::unique
    if (out.how == test::greater || out.how == test::less) {
      const auto& text = out.values.front();
      auto [end, why] = std::from_chars(text.data(), text.data() + text.size(), out.bound);
      if (why != std::errc() || end != text.data() + text.size() || text.empty())
        return fault("values[0]: Invalid value: \"" + text +
                     "\": for 'Gt', 'Lt' operators, the value must be an integer");
    }
    for (std::size_t i = 0; i < out.values.size(); ++i)
      if (auto why = label_value_problem(out.values[i]); !why.empty())
        return fault("values[" + std::to_string(i) + "][" + out.key + "]: Invalid value: \"" + out.values[i] + "\": " +
                     why);
    return out;
  }

  result<void> one_value(std::vector<std::string>& into) {
    auto ahead = look(true);
    if (ahead.what == token::end || ahead.what == token::comma) {
      into.emplace_back();
      return {};
    }
    if (ahead.what != token::word) return fault("found '" + std::string(ahead.text) + "', expected: identifier");
    into.emplace_back(take(true).text);
    return {};
  }

  result<void> value_list(std::vector<std::string>& into) {
    auto open = take(true);
    if (open.what != token::open) return fault("found '" + std::string(open.text) + "' expected: '('");
    auto ahead = look(true);
    if (ahead.what == token::close) return read(), result<void>();
    if (ahead.what != token::word && ahead.what != token::comma)
      return fault("found '" + std::string(ahead.text) + "', expected: ',', ')' or identifier");
    bool after_value = false;
    while (true) {
      auto each = take(true);
      if (each.what == token::word && !after_value) {
        into.emplace_back(each.text);
        after_value = true;
      } else if (each.what == token::comma) {
        if (!after_value) into.emplace_back();
        after_value = false;
        if (look(true).what == token::close) into.emplace_back(), after_value = true;
      } else if (each.what == token::close) {
        return {};
      } else {
        return fault("found '" + std::string(each.text) + "', expected: " +
                     (after_value ? "',' or ')'" : "',', or identifier"));
      }
      if (into.size() > selector_terms_max) return fault("too many values");
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
  lexeme now_;
};

// ---- field selectors ----

std::vector<std::string_view> split_terms(std::string_view text) {
  std::vector<std::string_view> out;
  std::size_t start = 0;
  bool escaped = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (escaped) escaped = false;
    else if (text[i] == '\\') escaped = true;
    else if (text[i] == ',') out.push_back(text.substr(start, i - start)), start = i + 1;
  }
  out.push_back(text.substr(start));
  return out;
}

result<std::string> unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      if (++i >= text.size()) return {errc::invalid, "invalid field selector: invalid escape sequence: \\"};
      if (text[i] != '\\' && text[i] != ',' && text[i] != '=')
        return {errc::invalid, std::string("invalid field selector: invalid escape sequence: \\") + text[i]};
    } else if (text[i] == ',' || text[i] == '=') {
      return {errc::invalid, std::string("invalid field selector: unescaped character in value: ") + text[i]};
    }
    out += text[i];
  }
  return out;
}

result<void> bind(const schema::kind& kind, field_selector::term& term) {
  using subject = field_selector::subject;
  if (term.label == "metadata.name") {
    term.what = subject::name;
    return {};
  }
  if (term.label == "metadata.namespace" && (kind.namespaced || kind.selectables.empty())) {
    term.what = subject::ns;
    return {};
  }
  auto offered = std::ranges::find(kind.selectables, term.label, &schema::selectable::label);
  if (offered == kind.selectables.end()) {
    if (kind.selectables.empty())
      return {errc::invalid, "\"" + term.label +
                                 "\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""};
    return {errc::invalid, "field label not supported: " + term.label};
  }
  // Documents carry the values of the kind that is stored.
  auto stored = schema::kinds()[kind.storage].selectables;
  auto place = std::ranges::find(stored, offered->path, &schema::selectable::path);
  if (place == stored.end()) return {errc::invalid, "field label not supported: " + term.label};
  term.what = subject::selectable;
  term.index = static_cast<std::size_t>(place - stored.begin());
  return {};
}

}  // namespace

std::string label_key_problem(std::string_view key) {
  auto name = key;
  if (auto slash = key.find('/'); slash != std::string_view::npos) {
    auto prefix = key.substr(0, slash);
    name = key.substr(slash + 1);
    if (name.find('/') != std::string_view::npos)
      return "a qualified name " + std::string(name_words) +
             " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
    if (prefix.empty()) return "prefix part must be non-empty";
    if (prefix.size() > 253) return "prefix part must be no more than 253 bytes";
    if (!is_dns_subdomain(prefix)) return std::string(subdomain_words);
  }
  if (name.empty()) return "name part must be non-empty";
  if (name.size() > 63) return "name part must be no more than 63 bytes";
  if (!name_like(name)) return "name part " + std::string(name_words);
  return {};
}

std::string label_value_problem(std::string_view value) {
  if (value.size() > 63) return "must be no more than 63 bytes";
  if (!value.empty() && !name_like(value)) return std::string(value_words);
  return {};
}

result<label_selector> parse_label_selector(std::string_view text) {
  if (text.size() > selector_bytes_max) return {errc::invalid, "selector is too long"};
  return parser(text).run();
}

result<field_selector> parse_field_selector(const schema::kind& kind, std::string_view text) {
  if (text.size() > selector_bytes_max) return {errc::invalid, "selector is too long"};
  field_selector out;
  for (auto part : split_terms(text)) {
    if (part.empty()) continue;
    auto sign = part.find_first_of("=!");
    bool unequal = sign != std::string_view::npos && part[sign] == '!';
    if (sign == std::string_view::npos || (unequal && (sign + 1 >= part.size() || part[sign + 1] != '=')))
      return {errc::invalid,
              "invalid selector: '" + std::string(text) + "'; can't understand '" + std::string(part) + "'"};
    bool doubled = unequal || (sign + 1 < part.size() && part[sign + 1] == '=');
    auto value = unescape(part.substr(sign + (doubled ? 2 : 1)));
    if (!value) return value.why();
    if (out.terms.size() >= selector_terms_max) return {errc::invalid, "too many terms in field selector"};
    field_selector::term term;
    term.label = part.substr(0, sign);
    term.equal = !unequal;
    term.value = std::move(*value);
    if (auto bound = bind(kind, term); !bound) return bound.why();
    out.terms.push_back(std::move(term));
  }
  return out;
}

}  // namespace troupe::model
