# What sessions compute is seen by others, and counted for all of them.
#
# SPDX-License-Identifier: PostgreSQL

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Utils;
use Test::More;

use TfmTest;

my $node = start_node('stat', allows_streaming => 1, conf => "shared_preload_libraries = 'tfm'\nautovacuum = off\nrestart_after_crash = on");
my $tiny = quote_path(golden('sentence/mean'));
my $big = quote_path(big_checkpoint(96));
my $counters = "SELECT sum(calls), sum(rows), sum(errors) FROM tfm_stat_models WHERE kind = 'embed' AND model";

sub query { return $node->safe_psql('postgres', $_[0]) }

# A session that works as soon as it is watched.
sub watched
{
	my ($sql) = @_;

	return background($node, qq{
		DO \$\$ BEGIN
			WHILE NOT EXISTS (SELECT FROM pg_stat_activity WHERE query = 'SELECT sees()' AND state = 'active') LOOP
				PERFORM pg_sleep(0.01), pg_stat_clear_snapshot();
			END LOOP;
		END \$\$;
		$sql;
	});
}

# Whether, while another one works, queries give the values that are wanted, each at some time or other.
sub sees
{
	my ($other, $query, @wanted) = @_;
	my $array = "ARRAY[" . join(', ', map { "'$_'" } @wanted) . "]";

	query(qq{
		CREATE OR REPLACE FUNCTION sees() RETURNS boolean LANGUAGE plpgsql AS \$\$
		DECLARE missing text[] := $array;
		BEGIN
			FOR i IN 1 .. 20000 LOOP
				missing := array_remove(missing, ($query)::text);
				IF missing = '{}' THEN RETURN true; END IF;
				PERFORM pg_sleep(0.001);
			END LOOP;
			RETURN false;
		END \$\$;
	});
	$other->{handle}->pump_nb;
	return query('SELECT sees()') eq 't';
}

# The statistics of all sessions.
query("SELECT tfm_load_model('tiny', $tiny)");
query("SELECT tfm_embed('tiny', 'one')") for 1 .. 2;
query("SELECT tfm_embed('tiny', ARRAY['two', 'three', 'four'])");
is(query("$counters = 'tiny'"), '3|5|0', 'calls of three sessions');
is(query("SELECT calls, image_bytes > 0 FROM tfm_stat_models WHERE model = 'tiny' AND kind = 'compile'"),
	'1|t', 'the image was compiled once');
is(query("SELECT value FROM tfm_info() WHERE name = 'statistics of'"), 'all sessions', 'tfm_info tells so');

# Work on an image is seen while it lasts.
my $loading = watched("SELECT tfm_load_model('big', $big)");
ok(sees($loading, "SELECT max(phase) FROM tfm_stat_activity WHERE model = 'big' AND bytes_total > bytes_done",
		'reading checkpoint', 'compiling image'), 'reading and compiling are seen');
$loading->{handle}->finish;
like(slurp_file($node->logfile), qr/LOG:  compiled checkpoint .*DETAIL:  It took .* and made \d+ bytes/s, 'and logged');
is($loading->{err}, '', 'but not told to the client');

# So is a computation, with how far it is, until it is cancelled.
my $long = "SELECT tfm_embed('big', array_agg(repeat('word ' || i, 100))) FROM generate_series(1, 100000) i";
my $computing = watched($long);
my $own = "FROM tfm_stat_activity WHERE model = 'big' AND phase = 'computing' AND kind = 'embed'";
ok(sees($computing, "SELECT count(*) $own AND tokens > 0 AND rows > 0", '1'), 'a computation is seen');
is(query("SELECT state FROM pg_stat_activity WHERE pid = (SELECT pid $own)"), 'active', 'under its process id');
query('CREATE ROLE other LOGIN');
is(query("SET ROLE other; SELECT count(*) FROM tfm_stat_activity"), '0', 'but not by others');
query("SELECT pg_cancel_backend(pid) $own");
$computing->{handle}->finish;
like($computing->{err}, qr/57014/, 'the computation was cancelled');
is(query('SELECT count(*) FROM tfm_stat_activity'), '0', 'nothing is computed now');
like(query("$counters = 'big'"), qr/\|1$/, 'the cancelled call is counted');

# A process that has ended leaves nothing, however it ends.
$computing = watched($long);
ok(sees($computing, "SELECT count(*) $own", '1'), 'another computation');
query("SELECT pg_terminate_backend(pid, 10000) $own");
eval { $computing->{handle}->finish };
is(query('SELECT count(*) FROM tfm_stat_activity'), '0', 'its slot is free');

# Parallel workers count for all, too.
query(qq{
	CREATE TABLE texts AS SELECT 'text ' || i AS body FROM generate_series(1, 200) i;
	ALTER TABLE texts SET (parallel_workers = 2);
	SELECT tfm_stat_reset('tiny');
	SET parallel_setup_cost = 0; SET min_parallel_table_scan_size = 0;
	SELECT count(tfm_embed('tiny', body)) FROM texts;
});
is(query("SELECT sum(rows) FROM tfm_stat_models WHERE kind = 'embed' AND model = 'tiny'"), '200', 'rows of parallel workers');

# Of other databases only those with pg_read_all_stats see anything.
query('CREATE DATABASE another');
$node->safe_psql('another', 'CREATE EXTENSION tfm');
my $foreign = "SELECT count(*) FROM tfm_stat_models WHERE database = 'postgres'";
isnt($node->safe_psql('another', $foreign), '0', 'a superuser sees another database');
is($node->safe_psql('another', "SET ROLE other; $foreign"), '0', 'another role does not');
query('GRANT pg_read_all_stats TO other');
isnt($node->safe_psql('another', "SET ROLE other; $foreign"), '0', 'unless it may read all statistics');

# There is room for so many; what was not used for long gives way.
query(qq{
	SELECT tfm_stat_reset();
	DO \$\$ BEGIN
		FOR i IN 1 .. 300 LOOP
			EXECUTE format('CREATE SERVER m%s FOREIGN DATA WRAPPER tfm OPTIONS (path %L)', i, $tiny);
			EXECUTE format('SELECT tfm_embed(%L, %L)', 'm' || i, 'text');
		END LOOP;
	END \$\$;
});
is(query("SELECT count(*), count(*) FILTER (WHERE model = 'm300' AND kind = 'embed'), count(*) FILTER (WHERE model = 'm1') FROM tfm_stat_models"),
	'256|1|0', 'the newest counters are kept');

# A standby has its own.
$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('stat_standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
$standby->safe_psql('postgres', "SELECT tfm_embed('tiny', ARRAY['one', 'two'])");
is($standby->safe_psql('postgres', "$counters = 'tiny'"), '1|2|0', 'calls of a standby');
$standby->safe_psql('postgres', 'SELECT tfm_stat_reset()');
is($standby->safe_psql('postgres', "$counters = 'tiny'"), '||', 'which can be reset there');
$standby->stop;

# Counters outlive a restart, but not a crash.
query("SELECT tfm_stat_reset(); SELECT tfm_embed('tiny', 'one')");
$node->restart;
is(query("$counters = 'tiny'"), '1|1|0', 'counters are there after a restart');
query("SELECT tfm_embed('tiny', 'one')");
my $before = incarnation($node);
my $victim = background($node, "SELECT pg_backend_pid();\nSELECT pg_sleep(60);\n");
wait_for(sub { $victim->{handle}->pump_nb; $victim->{out} =~ /^\d+\n/ });
kill 'KILL', $victim->{out} =~ /(\d+)/;
eval { $victim->{handle}->finish };
ok(is_restarted($node, $before), 'the server is back');
is(query("$counters = 'tiny'"), '||', 'and begin anew after a crash');
$node->stop;
write_raw($node->data_dir . '/tfm/statistics', "nonsense" x 1000);
$node->start;
is(query("$counters = 'tiny'"), '||', 'a damaged file is no matter');

$node->stop;
done_testing();
