import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0001_initial'),
        ('flows', '0003_missed_events_and_retention'),
    ]

    operations = [
        migrations.CreateModel(
            name='MappingDecision',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('path', models.CharField(help_text='Where the value is read, as mapping lines write it.', max_length=500)),
                ('target_object', models.CharField(help_text='API name of the object in Salesforce.', max_length=80)),
                ('field', models.CharField(help_text='API name of the field in Salesforce.', max_length=80)),
                ('verdict', models.CharField(choices=[('accepted', 'Accepted'), ('rejected', 'Rejected')], max_length=8)),
                ('decided_at', models.DateTimeField()),
                ('decided_by', models.CharField(max_length=254)),
                ('workspace', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='mapping_decisions', to='accounts.workspace')),
            ],
            options={
                'ordering': ('-decided_at', '-id'),
            },
        ),
        migrations.AddConstraint(
            model_name='mappingdecision',
            constraint=models.UniqueConstraint(fields=('workspace', 'target_object', 'field', 'path'), name='one_decision_per_line'),
        ),
    ]
