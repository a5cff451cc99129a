// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/inputs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "exporters/app/exporter.h"
#include "exporters/app/testing/fake_input.h"
#include "exporters/common/page.h"
#include "exporters/testing/fake_collector.h"
#include "formats/text_writer.h"

namespace tocsin::exporters::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class InputsTest : public ::testing::Test {
 protected:
  InputsTest() { static_cast<void>(testing::fake_log().take()); }

  void apply(std::string_view text) {
    StatusOr<AppConfig> config =
        AppConfig::parse(text, "app.yml", testing::fake_kinds(), services_.all());
    ASSERT_TRUE(config.ok()) << config.status();
    inputs_.apply(std::move(config->inputs), config->labels);
  }
  std::string page() {
    std::vector<base::MetricFamily> families = inputs_.collect(base::Duration(1000));
    tidy_families(&families);
    for (base::MetricFamily& family : families) family.help.clear();
    std::string text;
    formats::write_text(families, &text);
    return text;
  }
  static std::vector<std::string> events() { return testing::fake_log().take(); }

  testing::FakeServices services_;
  Inputs inputs_{{services_.executor, services_.clock, services_.clock}};
};

TEST_F(InputsTest, ServesWhatInputsKnowAndHowTheyAre) {
  apply("global: {labels: {env: prod, name: other}}\nfakes: [{name: a}, {name: b, text: fail}]");
  EXPECT_EQ(page(),
            "# TYPE app_exporter_series_dropped_total counter\n"
            "app_exporter_series_dropped_total{source=\"fakes/a\"} 0\n"
            "app_exporter_series_dropped_total{source=\"fakes/b\"} 0\n"
            "# TYPE app_exporter_source_errors_total counter\n"
            "app_exporter_source_errors_total{source=\"fakes/a\"} 0\n"
            "app_exporter_source_errors_total{source=\"fakes/b\"} 1\n"
            "# TYPE app_exporter_source_last_scrape_duration_seconds gauge\n"
            "app_exporter_source_last_scrape_duration_seconds{source=\"fakes/a\"} 0\n"
            "app_exporter_source_last_scrape_duration_seconds{source=\"fakes/b\"} 0\n"
            "# TYPE app_exporter_source_up gauge\n"
            "app_exporter_source_up{source=\"fakes/a\"} 1\n"
            "app_exporter_source_up{source=\"fakes/b\"} 0\n"
            "# TYPE fake_runs_total counter\n"
            "fake_runs_total{env=\"prod\",name=\"fakes/a\",text=\"\"} 1\n"
            "fake_runs_total{env=\"prod\",name=\"fakes/b\",text=\"fail\"} 1\n");
}

TEST_F(InputsTest, AReloadKeepsWhatDidNotChange) {
  apply("fakes: [{name: a}, {name: b}, {name: c}]");
  EXPECT_THAT(events(), ElementsAre("start fakes/a", "start fakes/b", "start fakes/c"));
  static_cast<void>(page());
  apply("global: {labels: {env: x}}\nfakes: [{name: c}, {name: a}, {name: b, text: new}]");
  EXPECT_THAT(events(), ElementsAre("stop fakes/b", "start fakes/b"));
  const std::string text = page();
  EXPECT_THAT(text, HasSubstr("fake_runs_total{env=\"x\",name=\"fakes/a\",text=\"\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("fake_runs_total{env=\"x\",name=\"fakes/b\",text=\"new\"} 1\n"));
  inputs_.stop();
  EXPECT_THAT(events(), ElementsAre("stop fakes/c", "stop fakes/a", "stop fakes/b"));
  EXPECT_EQ(page(), "");
}

TEST_F(InputsTest, AnInputThatCannotStartIsDownAndTriedAgain) {
  apply("fakes: [{name: a, text: no start}]");
  EXPECT_THAT(page(), HasSubstr("app_exporter_source_up{source=\"fakes/a\"} 0\n"));
  EXPECT_THAT(events(), ElementsAre("start fakes/a", "start fakes/a"));
  inputs_.stop();
  EXPECT_THAT(events(), IsEmpty()) << "what never ran is not stopped";
}

TEST_F(InputsTest, ErrorsAreCountedOverReloadsAndForgottenWithTheSource) {
  apply("fakes: [{name: a, text: fail}]");
  static_cast<void>(page());
  apply("fakes: [{name: a, text: fail}, {name: b}]");
  EXPECT_THAT(page(), HasSubstr("app_exporter_source_errors_total{source=\"fakes/a\"} 2\n"));
  apply("fakes: [{name: b}]");
  EXPECT_THAT(page(), Not(HasSubstr("fakes/a")));
}

TEST_F(InputsTest, ARouteGoesToItsInput) {
  net::HttpRequest request;
  request.body = "x 1";
  EXPECT_EQ(inputs_.serve("sink", request).status, 404);
  apply("sink: {}");
  EXPECT_EQ(inputs_.serve("sink", request).body, "sink took x 1");
}

// An input whose collect() waits until the test lets it go.
class StuckInput final : public Input {
 public:
  explicit StuckInput(exporters::testing::CollectorControl& control)
      : Input("stuck"), control_(control) {}
  Status collect(std::vector<base::MetricFamily>* /*out*/) override {
    return control_.run().second;
  }
  void stop() override { testing::fake_log().add("stop stuck"); }

 private:
  exporters::testing::CollectorControl& control_;
};

double up(const std::vector<base::MetricFamily>& families, std::string_view source) {
  for (const base::MetricFamily& family : families) {
    if (family.name != "app_exporter_source_up") continue;
    for (const base::MetricSample& sample : family.samples) {
      if (sample.labels[0].second == source) return sample.value;
    }
  }
  return -1;
}

TEST(InputsThreads, AStuckInputHoldsUpNobodyAndIsNotEnteredAgainAfterAReload) {
  static_cast<void>(testing::fake_log().take());
  base::testing::FakeClock clock;
  exporters::testing::CollectorControl control;
  control.hold();
  base::ThreadPool threads({.name = "inputs", .threads = 4});
  base::ThreadPool scrapes({.name = "scrapes", .threads = 1});
  {
    Inputs inputs({threads, clock, clock});
    const auto specs = [&] {
      std::vector<InputSpec> out;
      out.push_back({std::make_unique<StuckInput>(control), "", "same"});
      out.push_back({std::make_unique<testing::FakeInput>("quick", ""), "", "quick"});
      return out;
    };
    inputs.apply(specs(), {});
    std::vector<base::MetricFamily> families;
    ASSERT_TRUE(scrapes.post([&] { families = inputs.collect(base::Duration(1000)); }));
    control.wait_for_starts(1);
    clock.advance(base::Duration(1000));
    scrapes.stop();
    EXPECT_EQ(up(families, "stuck"), 0);
    inputs.apply(specs(), {});
    // The source refuses at once: these end although no time passes.
    do {
      families = inputs.collect(base::Duration(1000));
    } while (up(families, "quick") != 1);
    EXPECT_EQ(up(families, "stuck"), 0);
    EXPECT_EQ(control.starts(), 1);
  }
  const std::vector<std::string> events = testing::fake_log().take();
  EXPECT_THAT(events, ::testing::Contains("stop stuck")) << "the end does not wait for it";
  control.release();
  threads.stop();
}

class AppExporterTest : public ::testing::Test {
 protected:
  AppExporterTest() { static_cast<void>(testing::fake_log().take()); }

  void write(std::string_view text) {
    ASSERT_TRUE(base::write_file_atomically(*services_.files, "/app.yml", text).ok());
  }
  StatusOr<std::unique_ptr<AppExporter>> open() {
    return AppExporter::open(
        {.config_file = "/app.yml", .kinds = testing::fake_kinds(), .exporter_metrics = false},
        services_.all(), services_.executor);
  }
  static net::HttpResponse ask(AppExporter& exporter, std::string_view method,
                               std::string_view target, std::string body = "") {
    net::HttpRequest request;
    request.method = method;
    EXPECT_TRUE(request.set_target(target).ok());
    request.body = std::move(body);
    return exporter.serve(request);
  }

  testing::FakeServices services_;
};

TEST_F(AppExporterTest, ABadFileKeepsTheOldConfiguration) {
  RecordProperty("expects_error_lines", 1);
  write("fakes: [{name: a}]");
  const auto exporter = open();
  ASSERT_TRUE(exporter.ok()) << exporter.status();
  EXPECT_THAT(ask(**exporter, "GET", "/metrics").body,
              HasSubstr("app_exporter_config_last_reload_successful 1\n"));
  write("fakes: [{name: a}, {nmae: b}]");
  const net::HttpResponse bad = ask(**exporter, "POST", "/-/reload");
  EXPECT_EQ(bad.status, 500);
  EXPECT_THAT(bad.body,
              HasSubstr("failed to reload config: /app.yml:1:20: fakes[1]: missing field name"));
  const std::string page = ask(**exporter, "GET", "/metrics").body;
  EXPECT_THAT(page, HasSubstr("app_exporter_config_last_reload_successful 0\n"));
  EXPECT_THAT(page, HasSubstr("blackbox_exporter_config_last_reload_successful 0\n"));
  EXPECT_THAT(page, HasSubstr("fake_runs_total{name=\"fakes/a\",text=\"\"} 2\n"));
  write("fakes: [{name: a}, {name: b}]");
  EXPECT_EQ(ask(**exporter, "POST", "/-/reload").status, 200);
  EXPECT_THAT(ask(**exporter, "GET", "/metrics").body,
              HasSubstr("app_exporter_config_last_reload_successful 1\n"));
  (*exporter)->stop();
  EXPECT_FALSE((*exporter)->reload().ok());
}

TEST_F(AppExporterTest, AnswersAsBlackboxDoes) {
  write("fakes: [{name: a}]\nsink: {}");
  const auto exporter = open();
  ASSERT_TRUE(exporter.ok()) << exporter.status();
  EXPECT_EQ(ask(**exporter, "GET", "/-/healthy").body, "Healthy");
  EXPECT_EQ(ask(**exporter, "GET", "/-/reload").body, "This endpoint requires a POST request.\n");
  EXPECT_EQ(ask(**exporter, "GET", "/config").body, "fakes:\n- name: a\nsink: {}\n");
  EXPECT_EQ(ask(**exporter, "GET", "/logs").status, 501);
  EXPECT_EQ(ask(**exporter, "POST", "/sink/job/x", "y").body, "sink took y");
  EXPECT_THAT(ask(**exporter, "GET", "/").body, HasSubstr("href=\"/metrics\""));
}

TEST_F(AppExporterTest, DoesNotStartWithABadFile) {
  EXPECT_FALSE(open().ok());
  write("nonsense: 1");
  EXPECT_FALSE(open().ok());
}

}  // namespace
}  // namespace tocsin::exporters::app
