# Models in the database: dumps, standbys, promotion, logical replication, exports.
#
# SPDX-License-Identifier: PostgreSQL
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TfmTest;

my $primary = start_node('primary', allows_streaming => 'logical');
my $temporary = PostgreSQL::Test::Utils::tempdir();
my $source = copy_checkpoint('sentence/mean');
my $path = quote_path($source);
my $use = q{SELECT tfm_embed('m', 'The cat sat on the mat.')};
my $stored = q{SELECT count(DISTINCT content), count(*) FROM tfm_stored_files};

# The extension's new home is not the default one, so that nothing depends on that.
$primary->safe_psql('postgres', q{CREATE SCHEMA models; ALTER EXTENSION tfm SET SCHEMA models;
	ALTER DATABASE postgres SET search_path = public, models});
$primary->backup('before');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'before', has_streaming => 1);
$standby->start;

# A link brings in no file that is not the checkpoint's.
symlink '/etc/hostname', "$source/chat_template.jinja" or die $!;
is((sql_error($primary, "SELECT tfm_import_model('m', $path)"))[0], 'XX001', 'a link that leads out is refused');
is($primary->safe_psql('postgres', $stored), '0|0', 'and nothing stored');
unlink "$source/chat_template.jinja";

# The checkpoint is gone from the server's disk when it has been imported.
$primary->safe_psql('postgres', "SELECT tfm_import_model('m', $path)");
rename $source, "$source.moved" or die $!;
my $embedding = $primary->safe_psql('postgres', $use);

# ---- A standby, which becomes a primary ----

$primary->wait_for_catchup($standby, 'replay', $primary->lsn('write'));
is($standby->safe_psql('postgres', 'SELECT state FROM tfm_models'), 'not compiled', 'a standby has the model');
is($standby->safe_psql('postgres', $use), $embedding, 'and uses it');
is(scalar images($standby), 1, 'it has compiled it');
is(scalar temporaries($standby), 0, 'without leaving anything');
my ($sqlstate) = sql_error($standby, q{SELECT tfm_import_model('n', ARRAY['config.json'], ARRAY['{}'::bytea])});
is($sqlstate, '25006', 'a model cannot be imported there');

# ---- Dumps ----

$primary->safe_psql('postgres', q{
	CREATE TABLE docs (body text, tokens integer[] GENERATED ALWAYS AS (tfm_tokenize('m', body)) STORED);
	INSERT INTO docs VALUES ('The cat sat.'), ('hello');
	CREATE INDEX ON docs (tfm_count_tokens('m', body));
	CREATE MATERIALIZED VIEW counted AS SELECT body, tfm_count_tokens('m', body) FROM docs});
my $docs = 'SELECT docs, counted FROM docs JOIN counted USING (body) ORDER BY body';
my $expected = $primary->safe_psql('postgres', $docs);
my $models = 'SELECT name, stored, stored_bytes, content FROM tfm_models';

my $to = PostgreSQL::Test::Cluster->new('dump_to');
$to->init;
$to->append_conf('postgresql.conf', 'fsync = off');
$to->start;

# A dump restores tables by the names of schemas and tables, so that one whose generated column needs
# the model may come before the model's files.  A list of what is restored first always helps.
my $file = "$temporary/dump";
$primary->command_ok([ 'pg_dump', '-Fc', '-d', $primary->connstr('postgres'), '-f', $file ], 'dump');
my $list = `pg_restore -l '$file'`;
my $files = join '', grep { / TABLE DATA .* tfm_stored_/ } split /^/, $list;
my $rest = join '', grep { !/ TABLE DATA .* tfm_stored_/ } split /^/, $list;
is(scalar(() = $files =~ /\n/g), 2, 'both tables are in the dump');
write_raw("$temporary/files", $files);
write_raw("$temporary/rest", $rest);
my @restore = ('pg_restore', '--exit-on-error', '-d');
$to->safe_psql('postgres', 'CREATE DATABASE restored');
$to->safe_psql('postgres', 'ALTER DATABASE restored SET search_path = public, models');
my $restored = $to->connstr('restored');
$to->command_ok([ @restore, $restored, '--section=pre-data', $file ], 'restore definitions');
is($to->safe_psql('restored', 'SELECT state FROM tfm_models'), 'error', 'the model has no files yet');
$to->command_ok([ @restore, $restored, '-L', "$temporary/files", $file ], 'restore models');
$to->command_ok([ @restore, $restored, '-L', "$temporary/rest", '--section=data', '--section=post-data', $file ],
	'restore what is left');
is($to->safe_psql('restored', $models), $primary->safe_psql('postgres', $models), 'the same model');
is($to->safe_psql('restored', $use), $embedding, 'the same embedding');
is($to->safe_psql('restored', $docs), $expected, 'the same values');

# Where the extension's schema comes first by its name, so do the files.  They may be left out of a dump.
$primary->command_ok([ 'pg_dump', '-d', $primary->connstr('postgres'), '-f', "$temporary/plain" ], 'plain dump');
$primary->command_ok([ 'pg_dump', '-s', '-d', $primary->connstr('postgres'), '-f', "$temporary/schema" ], 'dump of the schema');
for my $dump ('plain', 'schema')
{
	$to->safe_psql('postgres', "CREATE DATABASE $dump");
	$to->safe_psql('postgres', "ALTER DATABASE $dump SET search_path = public, models");
	$to->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $to->connstr($dump), '-f', "$temporary/$dump" ],
		"restore the $dump dump");
}
unlink images($to);
($sqlstate) = sql_error($to, $use, database => 'schema');
is($sqlstate, '58P01', 'without the files the model cannot be compiled');
is($to->safe_psql('plain', $use), $embedding, 'with them it can');
is($to->safe_psql('plain', $docs), $expected, 'and the same values were restored');

# Who may not read the tables can leave them out.
$primary->safe_psql('postgres', 'CREATE ROLE dumper LOGIN; GRANT ALL ON SCHEMA public, models TO dumper; GRANT SELECT ON docs, counted TO dumper');
my @dump = ('pg_dump', '-U', 'dumper', '-d', $primary->connstr('postgres'), '-f', "$temporary/by_dumper");
$primary->command_fails_like(\@dump, qr/permission denied for (table|sequence) tfm_|sequence "tfm_job_ids"/, 'the files are not for everybody');
$primary->command_ok([ @dump, '--exclude-table-data=*.tfm_*' ], 'a dump without them');

# ---- Logical replication ----

$primary->safe_psql('postgres', 'CREATE PUBLICATION models FOR TABLE tfm_stored_files, tfm_stored_chunks');
$to->safe_psql('schema', 'CREATE SUBSCRIPTION models CONNECTION ' . quote_path($primary->connstr('postgres')) . ' PUBLICATION models');
$to->wait_for_subscription_sync($primary, 'models', 'schema');
is($to->safe_psql('schema', $stored), $primary->safe_psql('postgres', $stored), 'a subscriber has the files');
unlink images($to);
is($to->safe_psql('schema', $use), $embedding, 'and uses them');
my $other = quote_path(golden('sentence/cls'));
$primary->safe_psql('postgres', "SELECT tfm_import_model('other', $other)");
$primary->wait_for_catchup('models');
is($to->safe_psql('schema', $stored), '2|16', 'what is imported later comes too');
my $content = $primary->safe_psql('postgres', q{SELECT content FROM tfm_models WHERE name = 'other'});
$to->safe_psql('schema', 'DROP SERVER m');
is($to->safe_psql('schema', $stored), '1|8', 'models of no server yet stay when another is dropped');
$to->safe_psql('schema', "CREATE SERVER other FOREIGN DATA WRAPPER tfm OPTIONS (stored 'true', content '$content')");
is($to->safe_psql('schema', q{SELECT tfm_embed('other', 'a')}), $primary->safe_psql('postgres', q{SELECT tfm_embed('other', 'a')}),
	'and can be made servers of');
$to->safe_psql('schema', 'DROP SUBSCRIPTION models');
$to->stop;

# ---- Promotion ----

$primary->wait_for_catchup($standby, 'replay', $primary->lsn('write'));
$standby->promote;
unlink images($standby);
is($standby->safe_psql('postgres', $use), $embedding, 'a promoted standby uses the model');
$standby->safe_psql('postgres', "SELECT tfm_import_model('n', $other), tfm_drop_model('m')");
is($standby->safe_psql('postgres', $stored), '1|8', 'and stores others');
$standby->stop;

# ---- Exports ----

my $export = "$temporary/exported";
is($primary->safe_psql('postgres', "SELECT tfm_export_model('m', '$export')"), $export, 'export');
is(join(' ', sort map { s{^\Q$export\E/}{}r } glob("$export/*")),
	join(' ', sort grep { !/expected/ } map { s{.*/}{}r } glob("$source.moved/*")), 'the same files');
is(slurp_raw("$export/$_"), slurp_raw("$source.moved/$_"), "the same $_") for 'model.safetensors', '1_Pooling/config.json';
($sqlstate) = sql_error($primary, "SELECT tfm_export_model('m', '$export')");
is($sqlstate, '58030', 'what is there is not written over');
is($primary->safe_psql('postgres', "SELECT tfm_embed('$export', 'The cat sat on the mat.')"), $embedding, 'the export is a model');

# ---- The end ----

$primary->safe_psql('postgres', 'ALTER TABLE docs ADD COLUMN again integer[] GENERATED ALWAYS AS (tfm_tokenize($$m$$, body)) STORED');
$primary->safe_psql('postgres', 'DROP EXTENSION tfm CASCADE');
is($primary->safe_psql('postgres', q{SELECT count(*) FROM pg_class WHERE relname ~ 'tfm_stored'}), '0', 'the tables go with the extension');
$primary->safe_psql('postgres', "CREATE EXTENSION tfm; SELECT tfm_import_model('m', '$export')");
is($primary->safe_psql('postgres', $use), $embedding, 'and come back');
$primary->stop;
done_testing();
