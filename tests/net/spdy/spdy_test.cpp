#include "net/spdy/session.hpp"

#include "tests/net/stage.hpp"

using namespace troupe;
using namespace troupe::net;

namespace {

std::string told(const spdy::frame& f) {
  std::string out = std::to_string(static_cast<int>(f.kind)) + ":" + std::to_string(f.stream) + (f.last ? "!" : "");
  if (!f.data.empty()) out += "=" + std::string(f.data);
  for (const auto& [name, value] : f.headers) out += " " + name + "=" + value;
  return out;
}
/// All frames of `bytes` given in steps; data pieces of one stream put together.
std::vector<std::string> read(spdy::frame_reader& by, std::string_view bytes, std::size_t step) {
  std::vector<std::string> out;
  while (!bytes.empty()) {
    auto piece = bytes.substr(0, step);
    bytes.remove_prefix(piece.size());
    spdy::frame f;
    while (true) {
      const auto got = by.next(piece, f);
      if (!got.ok()) {
        out.push_back(std::string(to_string(got.why().code)));
        return out;
      }
      if (!*got) break;
      out.push_back(told(f));
    }
  }
  return out;
}

}  // namespace

TEST_CASE("frames are read as they were written, however the bytes are cut, with header blocks that lean on those before") {
  for (const std::size_t step : {std::size_t{1}, std::size_t{5}, std::size_t{10'000}}) {
    spdy::frame_writer write;
    spdy::frame_reader read_by;
    std::string bytes = write.headers(1, {{"streamtype", "error"}}, false, false);   // one after the other: each leans on those before
    bytes += write.headers(3, {{"streamtype", "stdin"}, {"x", std::string(2000, 'y')}}, false, true);
    bytes += write.headers(1, {}, true, false);
    bytes += spdy::frame_writer::reset(3, 5) + spdy::frame_writer::ping("abcd") + spdy::frame_writer::data(1, "", true);
    CHECK(read(read_by, bytes, step) == std::vector<std::string>{"1:1 streamtype=error", "1:3! streamtype=stdin x=" + std::string(2000, 'y'), "2:1", "3:3!", "4:0=abcd", "0:1!"});
  }
  spdy::frame_reader by;
  std::string heard;
  for (const auto& one : read(by, spdy::frame_writer::data(7, "hello world", true), 4)) heard += one.substr(one.find('=') + 1);
  CHECK(heard == "hello world");
}

TEST_CASE("what is no SPDY, too large or cut in the middle is refused, and nothing of it is believed") {
  const auto first = [](std::string_view bytes) {
    spdy::frame_reader by;
    const auto got = read(by, bytes, 1000);
    return got.empty() ? std::string("more") : got.front();
  };
  CHECK(first("HTTP/1.1 400 Bad") != "invalid");                                      // a data frame by its first bit; its stream is nobody's
  CHECK(first(std::string_view("\x80\x02\x00\x01\x00\x00\x00\x00", 8)) == "invalid");   // SPDY/2
  CHECK(first(std::string_view("\x80\x03\x00\x01\x00\xff\xff\xff", 8)) == "too_large");
  CHECK(first(std::string_view("\x80\x03\x00\x01\x00\x00\x00\x02xy", 10)) == "invalid");
  CHECK(first(std::string_view("\x80\x03\x00\x02\x00\x00\x00\x08\x00\x00\x00\x01xxxx", 16)) == "invalid");
  CHECK(first(std::string_view("\x80\x03\x00\x03\x00\x00\x00\x00", 8)) == "invalid");
  CHECK(first(std::string_view("\x80\x03\x00\x04\x00\x00\x00\x00", 8)) == "7:0");        // SETTINGS: passed over
}

TEST_CASE("a session opens odd streams, answers pings, takes no streams, and says when one ends and when all does") {
  auto at = test::make_sim_stage();
  auto ends = test::connect(*at);
  struct : spdy::session_sink {
    void on_data(std::uint32_t stream, std::string_view data) override { said += std::to_string(stream) + "=" + std::string(data) + ";"; }
    void on_end(std::uint32_t stream) override { said += std::to_string(stream) + "!;"; }
    void on_closed(const error&) override { closed = true; }
    std::string said;
    bool closed = false;
  } sink;
  auto session = spdy::attach(at->on(), std::move(ends.near), sink);
  test::recorder heard;
  ends.far->start(&heard);
  CHECK(session->open({{"streamtype", "error"}}) == 1);
  CHECK(session->open({{"streamtype", "stdin"}}) == 3);
  session->write(3, "in", true);
  at->settle();
  spdy::frame_reader by;
  CHECK(read(by, heard.text, 1000) == std::vector<std::string>{"1:1 streamtype=error", "1:3 streamtype=stdin", "0:3!=in"});
  heard.text.clear();
  spdy::frame_writer write;
  std::string says = write.headers(1, {}, true, false) + spdy::frame_writer::data(1, "verdict", true) + spdy::frame_writer::ping("1234");
  says += write.headers(2, {}, false, false);
  ends.far->write(says + spdy::frame_writer::reset(3, 5));
  REQUIRE(at->until([&] { return sink.said == "1=verdict;1!;3!;"; }));
  at->settle();
  CHECK(read(by, heard.text, 1000) == std::vector<std::string>{"4:0=1234", "3:2!"});
  ends.far->close();
  CHECK(at->until([&] { return sink.closed; }));
}
