// A log line is an event: room first, noun or past participle second, fields for the rest. One
// line per state change, none from pure code, never a secret (secret_text has no field form).
// Callable from any thread; the sink runs on the caller's thread under a lock.
#pragma once
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::log {

enum class level : std::uint8_t { debug, info, warn, error };

struct field {
  std::string key;
  std::string value;
  field(std::string_view k, std::string_view v) : key(k), value(v) {}
  field(std::string_view k, const char* v) : key(k), value(v) {}
  field(std::string_view k, const std::string& v) : key(k), value(v) {}
  template <class N>
    requires std::is_arithmetic_v<N>
  field(std::string_view k, N v) : key(k), value(to_text(v)) {}

 private:
  static std::string to_text(bool v) { return v ? "true" : "false"; }
  static std::string to_text(double v);
  template <class N>
  static std::string to_text(N v) { return std::to_string(v); }
};

struct record {
  level severity;
  std::string_view event;
  std::vector<field> fields;
};

using sink = std::function<void(const record&)>;
/// Replaces where lines go (default: logfmt on standard error, from level info). Null restores it.
void set_sink(sink to);
/// Lines below `least` are dropped before they are made.
void set_level(level least);
/// The standard sink with JSON lines instead of logfmt.
void use_json_lines();
/// One line of logfmt: `time=... level=info event=room.noun key=value`.
std::string to_logfmt(const record& line, std::string_view time);

void write(level severity, std::string_view event, std::initializer_list<field> fields);
inline void debug(std::string_view event, std::initializer_list<field> f = {}) { write(level::debug, event, f); }
inline void info(std::string_view event, std::initializer_list<field> f = {}) { write(level::info, event, f); }
inline void warn(std::string_view event, std::initializer_list<field> f = {}) { write(level::warn, event, f); }
inline void error(std::string_view event, std::initializer_list<field> f = {}) { write(level::error, event, f); }

}  // namespace troupe::log
