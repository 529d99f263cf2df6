# Databases whose encoding is not UTF-8.
#
# SPDX-License-Identifier: PostgreSQL
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TfmTest;

my $node = start_node('encodings', extra => [ '-E', 'UTF8', '--locale=C' ]);
my $path = quote_path(golden('sentence/mean'));

# The same statement in each database; the client speaks UTF-8.
sub query
{
	my ($database, $sql) = @_;

	return $node->safe_psql($database, "SET client_encoding = 'UTF8'; $sql");
}

for my $encoding ('LATIN1', 'EUC_JP', 'SQL_ASCII')
{
	my $database = lc $encoding;

	$node->safe_psql('postgres', "CREATE DATABASE $database ENCODING '$encoding' TEMPLATE template0");
	$node->safe_psql($database, "CREATE EXTENSION tfm; SELECT tfm_load_model('m', $path)");
}
$node->safe_psql('postgres', "SELECT tfm_load_model('m', $path)");

my $latin = "Caf\xc3\xa9 \xc3\x9cn\xc3\xafc\xc3\xb6d\xc3\xa9 \xc2\xbd";
my $japanese = "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e text";
for my $case ([ 'latin1', $latin ], [ 'euc_jp', $japanese ])
{
	my ($database, $text) = @$case;

	for my $sql ("SELECT tfm_tokenize('m', '$text')", "SELECT tfm_tokens('m', '$text')",
		"SELECT tfm_detokenize('m', tfm_tokenize('m', '$text'))",
		"SELECT tfm_chunk('m', repeat('$text. ', 5), 20, 3)",
		"SELECT tfm_render('{{ a }} {{ \"$text\" }}', '{\"a\": \"$text\"}')",
		"SELECT tfm_apply_chat_template('m', '[{\"content\": \"$text\"}]', chat_template => '{{ messages[0].content }}')")
	{
		is(query($database, $sql), query('postgres', $sql), "$database: $sql");
	}
}

my ($untranslatable) = sql_error($node, q{SELECT tfm_render('{{ "\u65e5" }}')}, database => 'latin1');
is($untranslatable, '22P05', 'latin1: a text that a template makes and that cannot be converted');

# A text of unknown encoding is UTF-8 or an error.
is($node->safe_psql('sql_ascii', "SELECT tfm_tokenize('m', '$latin')"),
	query('postgres', "SELECT tfm_tokenize('m', '$latin')"), 'sql_ascii: valid UTF-8');
my ($sqlstate) = sql_error($node, q{SELECT tfm_tokenize('m', E'\\xe9')}, database => 'sql_ascii');
is($sqlstate, '22021', 'sql_ascii: what is not UTF-8');

# Messages are converted, and never fail for what they hold.
my ($state, $message) = sql_error($node,
	"SET client_encoding = 'UTF8'; SELECT tfm_tokenize('mod\xc3\xa8le', 'x')", database => 'latin1');
is($state, '42704', 'an unknown model');
like($message, qr/model "mod\xc3\xa8le" does not exist/, 'is named in the error');
query('latin1', "SELECT tfm_load_model('mod\xc3\xa8le', $path)");
is(query('latin1', "SELECT tfm_count_tokens('mod\xc3\xa8le', 'hello') > 0"), 't',
	'a model of such a name is used');
query('latin1', "ALTER SERVER \"mod\xc3\xa8le\" OPTIONS (SET content '" . '0' x 64 . "')");
($state, $message) = sql_error($node,
	"SET client_encoding = 'UTF8'; SELECT tfm_tokenize('mod\xc3\xa8le', 'x')", database => 'latin1');
is($state, '55000', 'a model that has changed');
like($message, qr/of model "mod\xc3\xa8le" has changed.*tfm_refresh_model\('mod\xc3\xa8le'\)/s,
	'is named in the error');

$node->stop;
done_testing();
