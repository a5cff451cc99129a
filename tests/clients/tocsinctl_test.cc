// SPDX-License-Identifier: Apache-2.0
//
// What tocsinctl asks a server and promtool of Debian does not.
#include "net/http.h"
#include "tests/clients/client.h"

namespace tocsin::tests {
namespace {

class TocsinctlTest : public ClientTest {
 protected:
  TocsinctlTest() : ClientTest("tocsinctl") {}

  // A server that answers every request with one page, and keeps what it was asked.
  struct Server {
    explicit Server(std::string answer, int status = 200)
        : sink([this, body = std::move(answer), status](const net::HttpRequest& request) {
            *last.lock() = request;
            return net::HttpResponse::json(status, body);
          }) {}
    std::string url() const { return "http://" + sink.address(); }
    base::Guarded<net::HttpRequest> last;
    HttpSink sink;
  };
  static constexpr std::string_view kOne =
      R"({"status":"success","data":{"resultType":"scalar","result":[1,"1"]}})";
};

TEST_F(TocsinctlTest, TheConnectionIsConfigured) {
  Server server{std::string(kOne)};
  const auto sent = [&](std::string_view header) {
    return std::string(server.last.lock()->headers.get(header));
  };
  files_.write("password", "se:cret\n");
  const std::string basic =
      files_.write("basic.yml", "basic_auth: {username: me, password_file: password}\n");
  EXPECT_EQ(output({"query", "instant", "--http.config.file", basic, server.url(), "1"}),
            "scalar: 1 @[1]\n");
  EXPECT_EQ(sent("Authorization"), "Basic bWU6c2U6Y3JldA==");
  const std::string bearer = files_.write("bearer.yml", "authorization: {credentials: abc}\n");
  output({"query", "--http.config.file", bearer, "instant", "--header", "X-Scope=t", server.url(),
          "1"});
  EXPECT_EQ(sent("Authorization"), "Bearer abc");
  EXPECT_EQ(sent("X-Scope"), "t");
  const std::string wrong = files_.write("wrong.yml", "basic_auht: {}\n");
  EXPECT_NE(failure({"query", "instant", "--http.config.file", wrong, server.url(), "1"})
                .find("wrong.yml:1:"),
            std::string::npos);
  const std::string later = files_.write("later.yml", "oauth2: {}\n");
  EXPECT_NE(failure({"query", "instant", "--http.config.file", later, server.url(), "1"})
                .find("not supported yet: oauth2"),
            std::string::npos);
}

TEST_F(TocsinctlTest, ErrorsAreTheServers) {
  Server refusing(R"({"status":"error","errorType":"execution","error":"no"})", 422);
  EXPECT_EQ(failure({"query", "instant", refusing.url(), "1"}), "query error: execution: no\n");
  EXPECT_EQ(failure({"query", "instant", "--time=x", refusing.url(), "1"}),
            "error parsing evaluation time: cannot parse \"x\" to a valid timestamp\n");
  Server strange("<html>", 502);
  EXPECT_EQ(failure({"query", "series", "--match=up", strange.url()}),
            "query error: server_error: server error: 502 (detail: <html>)\n");
  Server empty("{}");
  EXPECT_EQ(failure({"query", "labels", empty.url(), "a"}),
            "query error: bad_response: no answer that can be read (detail: {})\n");
}

TEST_F(TocsinctlTest, AnalyzesHistograms) {
  const auto series = [](std::string_view le, std::string_view values) {
    return fmt::format("{}{}{}{}{}", R"({"metric":{"__name__":"h_bucket","a":"b","le":")", le,
                       R"("},"values":[)", values, "]}");
  };
  const std::string classic = series("+Inf", R"([1,"4"],[2,"9"])") + "," +
                              series("0.5", R"([1,"0"],[2,"3"])") + "," +
                              series("10", R"([1,"4"],[2,"9"])");
  const std::string native =
      R"({"metric":{"__name__":"n"},"histograms":[)"
      R"([1,{"count":"1","sum":"1","buckets":[[0,"1","2","1"]]}],)"
      R"([2,{"count":"2","sum":"1","buckets":[[0,"1","2","1"],[0,"4","8","1"]]}]]})";
  const std::string few = R"({"metric":{"__name__":"few"},"histograms":[[1,{"buckets":[]}]]})";
  Server server(R"({"status":"success","data":{"resultType":"matrix","result":[)" + classic + "," +
                native + "," + few + "]}}");
  const std::string text = output({"query", "analyze", "--server", server.url(), "--type=histogram",
                                   "--duration=30m", "--match=h_bucket", "--time=7"});
  EXPECT_NE(text.find("\n- n (native): 1/1.500/2\n"), std::string::npos) << text;
  EXPECT_NE(text.find("\n- h_bucket{a=\"b\"} (classic): 1/1.500/2/3\n"), std::string::npos) << text;
  EXPECT_NE(text.find("\nNative histogram series (1 in total):\n- min populated: 1/1.000/1\n- avg "
                      "populated: 1/1.000/1\n- max populated: 2/2.000/2\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("\nClassic histogram series (1 in total):\n"), std::string::npos) << text;
  EXPECT_NE(text.find("- max populated: 2/2.000/2\n- total: 3/3.000/3\n"), std::string::npos)
      << text;
  EXPECT_NE(server.last.lock()->body.find("query=h_bucket%5B1800000ms%5D"), std::string::npos)
      << server.last.lock()->body;
  EXPECT_EQ(failure({"query", "analyze", "--server", server.url(), "--type=gauge", "--match=x"}),
            "analyze type is gauge, must be 'histogram'\n");
}

TEST_F(TocsinctlTest, ExplainsAndAnalyzesQueries) {
  start_tocsin();
  const std::string url = tocsin().url();
  const std::string plan = output({"promql", "explain", "--server", url, "sum(fixed) + 1"});
  EXPECT_NE(plan.find("\"operator\":\"aggregate sum\""), std::string::npos) << plan;
  EXPECT_EQ(plan.find("\"actual\""), std::string::npos) << plan;
  const std::string done = output({"promql", "analyze", "--server", url, "--start=1000",
                                   "--end=1060", "--step=30", "sum(fixed) + 1"});
  EXPECT_NE(done.find("\"actual\":{\"calls\":1,"), std::string::npos) << done;
  EXPECT_EQ(failure({"promql", "explain", "--server", url, "sum("}),
            "bad_data: invalid parameter \"query\": 1:5: parse error: unclosed left parenthesis\n");
}

}  // namespace
}  // namespace tocsin::tests
