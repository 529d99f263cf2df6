#
# install.pl
#	  The extension comes, goes and is upgraded without a trace.
#
# SPDX-License-Identifier: PostgreSQL

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('install');
$node->init;
$node->start;

# Every object of a database that is not the system's, with its definition's
# hash where it is a function; what belongs to the extension, if that is asked.
my $objects = q{
	SELECT pg_describe_object(classid, objid, 0) || coalesce(' ' || md5(CASE p.prokind
			WHEN 'f' THEN pg_get_functiondef(p.oid) END), '')
	FROM pg_depend d LEFT JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid
	WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
	  AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'tfm')
	ORDER BY 1};
my $counts = q{
	SELECT (SELECT count(*) FROM pg_proc), (SELECT count(*) FROM pg_type), (SELECT count(*) FROM pg_class),
		(SELECT count(*) FROM pg_operator), (SELECT count(*) FROM pg_opclass), (SELECT count(*) FROM pg_cast),
		(SELECT count(*) FROM pg_foreign_data_wrapper), (SELECT count(*) FROM pg_description)};

my $before = $node->safe_psql('postgres', $counts);
$node->safe_psql('postgres', 'CREATE EXTENSION tfm');
my $fresh = $node->safe_psql('postgres', $objects);
isnt($fresh, '', 'the extension has objects');
$node->safe_psql('postgres', 'DROP EXTENSION tfm');
is($node->safe_psql('postgres', $counts), $before, 'a dropped extension leaves nothing');

$node->safe_psql('postgres', 'CREATE SCHEMA other; CREATE EXTENSION tfm SCHEMA other');
is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_proc WHERE proname ~ $$^tfm_$$ AND pronamespace = $$public$$::regnamespace'),
	'0', 'another schema takes all functions');
$node->safe_psql('postgres', 'DROP EXTENSION tfm');

# From each version whose install script is kept, an upgrade gives the same objects.
my @old = map { m{/tfm--([^-]+)\.sql$} ? $1 : () } glob(($ENV{TFM_UPGRADE} // 'sql/upgrade') . '/tfm--*.sql');
for my $version (@old)
{
	$node->safe_psql('postgres', "CREATE EXTENSION tfm VERSION '$version'; ALTER EXTENSION tfm UPDATE");
	is($node->safe_psql('postgres', $objects), $fresh, "upgraded from $version, as new");
	$node->safe_psql('postgres', 'DROP EXTENSION tfm');
}

$node->stop;
done_testing();
