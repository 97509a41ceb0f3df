#include "tests/net/contract.hpp"

#include <vector>

namespace troupe::net::test {
namespace {

using maker = std::function<std::unique_ptr<stage>()>;

void shard_promises(const maker& make) {
  SUBCASE("a posted task runs later and in order, a cancelled timer never, timers in order of time") {
    auto at = make();
    std::vector<int> seen;
    at->on().post([&] { seen.push_back(1); });
    at->on().post([&] {
      seen.push_back(2);
      at->on().after(2ms, [&] { seen.push_back(5); });
      at->on().after(1ms, [&] { seen.push_back(4); });
      const auto dropped = at->on().after(1ms, [&] { seen.push_back(99); });
      at->on().cancel(dropped);
      at->on().cancel(dropped);
      at->on().cancel(0);
      seen.push_back(3);
    });
    CHECK(seen.empty());
    CHECK(at->until([&] { return seen.size() == 5; }));
    at->settle();
    CHECK(seen == std::vector{1, 2, 3, 4, 5});
  }
  SUBCASE("a timer may cancel another that is due in the same moment") {
    auto at = make();
    bool ran = false, other = false;
    at->on().post([&] {
      timer_id second = 0;
      auto both = std::make_shared<timer_id>();
      at->on().after(0s, [&, both] {
        ran = true;
        at->on().cancel(*both);
      });
      second = at->on().after(0s, [&] { other = true; });
      *both = second;
    });
    CHECK(at->until([&] { return ran; }));
    at->settle();
    CHECK_FALSE(other);
  }
}

void data_promises(const maker& make) {
  SUBCASE("what one end writes the other reads, both ways, in order") {
    auto at = make();
    auto ends = connect(*at);
    recorder near, far;
    ends.near->start(&near);
    ends.far->start(&far);
    ends.near->write("hello ");
    ends.near->write("world");
    ends.far->write("answer");
    CHECK(far.text.empty());
    CHECK(at->until([&] { return far.text == "hello world" && near.text == "answer"; }));
    CHECK(ends.near->local_address() == ends.far->remote_address());
    CHECK(ends.near->remote_address() == ends.door->address());
    CHECK_FALSE(ends.far->peer().verified);
  }
  SUBCASE("what came before start is kept and delivered first") {
    auto at = make();
    auto ends = connect(*at);
    ends.near->write("early");
    at->settle();
    recorder far;
    ends.far->start(&far);
    CHECK(far.text.empty());
    CHECK(at->until([&] { return far.text == "early"; }));
  }
  SUBCASE("a sink may be replaced, and a null sink holds the flow") {
    auto at = make();
    auto ends = connect(*at);
    recorder first, second;
    ends.far->start(&first);
    ends.near->write("1");
    CHECK(at->until([&] { return first.text == "1"; }));
    ends.far->start(nullptr);
    ends.near->write("2");
    at->settle();
    ends.far->start(&second);
    CHECK(at->until([&] { return second.text == "2"; }));
    CHECK(first.text == "1");
  }
  SUBCASE("eight megabytes arrive unharmed, unsent grows and falls, drained is told") {
    auto at = make();
    auto ends = connect(*at);
    recorder near, far;
    std::string big;
    for (std::size_t i = 0; i < 8 * 1024 * 1024; ++i) big.push_back(static_cast<char>(i * 31 + i / 4096));
    ends.near->start(&near);
    for (std::size_t i = 0; i < big.size(); i += 100'000) ends.near->write(std::string_view(big).substr(i, 100'000));
    CHECK(ends.near->unsent() > stream::low_water);
    ends.far->start(&far);
    REQUIRE(at->until([&] { return far.text.size() == big.size(); }));
    CHECK(far.text == big);
    CHECK(at->until([&] { return near.drained == 1; }));
    CHECK(ends.near->unsent() == 0);
  }
  SUBCASE("a paused end gets no more than bounded bytes until it resumes") {
    auto at = make();
    auto ends = connect(*at);
    recorder far;
    ends.far->start(&far);
    ends.far->pause();
    for (int i = 0; i < 300; ++i) ends.near->write(std::string(100'000, 'x'));
    at->settle();
    CHECK(far.text.size() <= 256 * 1024);
    CHECK(ends.near->unsent() > 1024 * 1024);
    ends.far->resume();
    CHECK(at->until([&] { return far.text.size() == 30'000'000; }));
  }
}

void end_promises(const maker& make) {
  SUBCASE("close sends what is queued, and both ends hear of it once") {
    auto at = make();
    auto ends = connect(*at);
    recorder near, far;
    ends.near->start(&near);
    ends.far->start(&far);
    ends.near->write(std::string(3'000'000, 'z'));
    ends.near->close();
    ends.near->close();
    ends.near->write("ignored");
    CHECK(near.closes == 0);
    far.on_end = [&] { ends.far.reset(); };
    REQUIRE(at->until([&] { return near.closes == 1 && far.closes == 1; }));
    CHECK(far.text.size() == 3'000'000);
    CHECK(far.end->code == errc::closed);
    CHECK(near.end->code == errc::closed);
    at->settle();
    CHECK(near.closes == 1);
  }
  SUBCASE("an end that came before start is told after what came before it") {
    auto at = make();
    auto ends = connect(*at);
    ends.near->write("last words");
    ends.near->close();
    at->settle();
    recorder far;
    ends.far->start(&far);
    REQUIRE(at->until([&] { return far.closes == 1; }));
    CHECK(far.text == "last words");
  }
  SUBCASE("destroying one end tells the other") {
    auto at = make();
    auto ends = connect(*at);
    recorder far;
    ends.far->start(&far);
    ends.near.reset();
    CHECK(at->until([&] { return far.closes == 1; }));
  }
  SUBCASE("a stream may be destroyed by its own sink, from data and from the end") {
    auto at = make();
    auto ends = connect(*at);
    recorder near, far;
    ends.near->start(&near);
    ends.far->start(&far);
    far.on_text = [&](std::string_view) { ends.far.reset(); };
    near.on_end = [&] { ends.near.reset(); };
    ends.near->write("bye");
    CHECK(at->until([&] { return near.closes == 1; }));
    CHECK(far.closes == 0);
  }
  SUBCASE("closing and destroying at once still sends what was written") {
    auto at = make();
    auto ends = connect(*at);
    recorder far;
    ends.far->start(&far);
    ends.near->write(std::string(1'000'000, 'k'));
    ends.near->close();
    ends.near.reset();
    REQUIRE(at->until([&] { return far.closes == 1; }));
    CHECK(far.text.size() == 1'000'000);
    CHECK(far.end->code == errc::closed);
  }
}

void dial_promises(const maker& make) {
  SUBCASE("a dial that nobody accepts is refused, and the note names the address") {
    auto at = make();
    endpoint gone;
    {
      auto door = at->accepts().listen(at->anywhere(), [](stream_ptr) {});
      REQUIRE(door.ok());
      gone = (*door)->address();
    }
    std::optional<error> why;
    at->dials().dial(gone, patience, [&](result<stream_ptr> s) { why = s.why(); });
    REQUIRE(at->until([&] { return why.has_value(); }));
    CHECK(why->code == errc::refused);
    CHECK(why->note.find(to_string(gone)) != std::string::npos);
  }
  SUBCASE("a port in use is said to be so, and a name is no address to listen on") {
    auto at = make();
    auto door = at->accepts().listen(at->anywhere(), [](stream_ptr) {});
    REQUIRE(door.ok());
    const auto second = at->accepts().listen((*door)->address(), [](stream_ptr) {});
    REQUIRE_FALSE(second.ok());
    CHECK(second.code() == errc::already_exists);
    CHECK(second.why().note.find(to_string((*door)->address())) != std::string::npos);
    CHECK(at->accepts().listen({"no-address", 0}, [](stream_ptr) {}).code() == errc::invalid);
  }
  SUBCASE("accepted streams outlive their listener") {
    auto at = make();
    auto ends = connect(*at);
    ends.door.reset();
    recorder far;
    ends.far->start(&far);
    ends.near->write("still");
    CHECK(at->until([&] { return far.text == "still"; }));
  }
  SUBCASE("two hundred connections live side by side") {
    auto at = make();
    std::vector<stream_ptr> near, far;
    std::vector<std::unique_ptr<recorder>> ears;
    auto door = at->accepts().listen(at->anywhere(), [&](stream_ptr s) {
      ears.push_back(std::make_unique<recorder>());
      s->start(ears.back().get());
      far.push_back(std::move(s));
    });
    REQUIRE(door.ok());
    for (int i = 0; i < 200; ++i)
      at->dials().dial((*door)->address(), patience, [&, i](result<stream_ptr> s) {
        REQUIRE(s.ok());
        (*s)->write(std::to_string(i));
        near.push_back(std::move(*s));
      });
    const auto heard = [&] {
      std::size_t n = 0;
      for (const auto& each : ears) n += each->text.empty() ? 0u : 1u;
      return n;
    };
    CHECK(at->until([&] { return heard() == 200; }));
  }
}

}  // namespace

void check_contract(const maker& make) {
  shard_promises(make);
  data_promises(make);
  end_promises(make);
  dial_promises(make);
}

}  // namespace troupe::net::test
