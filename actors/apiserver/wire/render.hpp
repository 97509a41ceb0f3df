// Documents to response bytes. Plain JSON splices stored bytes and parses nothing; tables and YAML parse. Pure: `now`
// is handed in for ages.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actors/apiserver/wire/representation.hpp"
#include "actors/model/snapshot.hpp"
#include "basis/clock.hpp"

namespace troupe::apiserver {

/// What is rendered for whom. `served` is the kind of the URL (events.k8s.io for stored v1 events).
struct rendering {
  const schema::kind* served = nullptr;
  representation as;
  wall_time now{};
  std::string warning = {};   ///< Said beside the answer, in a Warning header; empty = none.
};

/// One object. For a table: a Table of one row.
std::string render_object(const rendering& how, const model::document& item);
/// An object that is no document (subresource answers, dry runs).
std::string render_value(const rendering& how, const json& value);

/// One page of a list: documents and what the list's metadata says.
struct page {
  std::vector<model::document_ptr> items;
  std::int64_t revision = 0;
  std::string continue_token;                    ///< "" on the last page.
  std::optional<std::uint64_t> remaining;        ///< Only without selectors.
};
/// Takes a page out of `from`: objects of `ns` ("" = all) that the options' selectors match, at most `limit`, from
/// the key in `start` on.
page select_page(const model::snapshot& from, std::int64_t revision, const schema::kind& kind, std::string_view ns,
                 const options& ask, std::string_view start = {});

/// What a continue token says; opaque to clients (base64url of {"v":"meta.k8s.io/v1","rv":N,"start":"key"}).
struct page_mark {
  std::int64_t revision = 0;  ///< 0: continue inconsistently at whatever is the latest.
  std::string start;
};
std::string encode_mark(const page_mark& mark);
std::optional<page_mark> decode_mark(std::string_view token);

/// Writes a page in pieces, so that a list never needs twice its memory. Owns the page.
class list_writer {
 public:
  list_writer(rendering how, page what);
  /// Appends the next piece, about `soft_bytes` long; false when it was the last (calling again appends nothing).
  bool next(std::string& out, std::size_t soft_bytes);
 private:
  void open(std::string& out);
  void item(std::string& out, const model::document& what);
  void close(std::string& out);
  rendering how_;
  page page_;
  std::size_t at_ = 0;
  bool opened_ = false, closed_ = false;
};
/// The same in one string.
std::string render_list(const rendering& how, page what);

enum class event_type : std::uint8_t { added, modified, deleted, bookmark, error };
/// One line of a watch stream with its line end. `first` writes a table's column definitions.
std::string render_watch_event(const rendering& how, event_type type, const model::document& item, bool first);
/// A bookmark at `revision`; `initial_end` marks the end of the initial events.
std::string render_bookmark(const rendering& how, std::int64_t revision, bool initial_end, bool first);
/// An ERROR event with the Status.
std::string render_watch_error(const api_error& why);

}  // namespace troupe::apiserver
